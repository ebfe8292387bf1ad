/** A journal as it lies in its file: what of it was said. Pure. */
import type { Event } from '../engine/events.ts'
import { shortHash } from '../engine/hash.ts'

export const JOURNAL_VERSION = 1

export type JournalText = {
  /** Of this journal and no other; empty before its first line. */
  id: string
  events: Event[]
  /** The runner died while it wrote the last line: what that line meant to say was not done. */
  torn: boolean
  /** Written by a hostops that is newer than this one. */
  newer: boolean
  /** Where the last whole line ends, without its room; the next one begins there. */
  end: number
}

/**
 * Up to the first line that is torn, broken or out of its order: after a power cut there may be whole lines behind lost
 * ones, and nobody had been told that they are kept. Blank lines are room that was made and not used.
 */
export function parseJournal(text: string, version: number): JournalText {
  const journal: JournalText = { id: '', events: [], torn: false, newer: false, end: 0 }
  for (let from = 0; from < text.length; ) {
    const to = text.indexOf('\n', from)
    const { said, torn } = partsOf(text.slice(from, to < 0 ? undefined : to), to >= 0)
    if (said !== '') {
      const entry = parseEntry(said)
      if (entry === null) return { ...journal, torn: true }
      if (entry.v > version) return { ...journal, newer: true }
      if (entry.seq !== journal.events.length + 1) return { ...journal, torn: true }
      journal.id ||= journalId(said)
      journal.events.push(entry.event)
      journal.end = from + said.length
    }
    if (torn || to < 0) return { ...journal, torn }
    from = to + 1
  }
  return journal
}

/**
 * A line is whole where an end of line or room follows. Behind that room may stand the rest of a later one, of which a power
 * cut has taken the beginning, and with it the end of this line.
 */
function partsOf(line: string, isEnded: boolean): { said: string; torn: boolean } {
  const room = line.indexOf('\t')
  if (room >= 0) return { said: line.slice(0, room), torn: /[^\t]/.test(line.slice(room)) }
  return isEnded ? { said: line, torn: false } : { said: '', torn: line !== '' }
}

/** Its first line tells the run, and the moment to a thousandth of a second. */
export const journalId = (firstLine: string): string => shortHash(firstLine)

function parseEntry(line: string): { v: number; seq: unknown; event: Event } | null {
  try {
    const { v, seq, at: _at, ...event } = JSON.parse(line)
    return typeof v === 'number' && typeof event.type === 'string' ? { v, seq, event: event as Event } : null
  } catch {
    return null
  }
}
