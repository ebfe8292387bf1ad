/** A journal as it lies in its file: what of it was said. Pure. */
import type { Event } from '../engine/events.ts'
import { shortHash } from '../engine/hash.ts'
import { Failed } from '../failure.ts'
import { fromVersion1 } from './journal-version-1.ts'

export const JOURNAL_VERSION = 2

/** `at`: for people; nothing is decided by it. */
export type JournalEntry = { v: number; seq: number; at: string; event: Event }

export type JournalText = {
  /** Of this journal and no other; empty before its first line. */
  id: string
  entries: JournalEntry[]
  /** The runner died while it wrote the last line: what that line meant to say was not done. */
  torn: boolean
  /** Written by a hostops that is newer than this one. */
  newer: boolean
  /** Where the last whole line ends, without its room; the next one begins there. */
  end: number
}

const TAB = 0x09
const NEWLINE = 0x0a

/**
 * Up to the first line that is torn, broken or out of its order: after a power cut there may be whole lines behind lost
 * ones, and nobody had been told that they are kept. Blank lines are room that was made and not used. `after`: how many
 * lines stand before these bytes.
 */
export function parseJournal(bytes: Buffer, after = 0): JournalText {
  const journal: JournalText = { id: '', entries: [], torn: false, newer: false, end: 0 }
  for (let from = 0; from < bytes.length; ) {
    const to = bytes.indexOf(NEWLINE, from)
    const { said, torn } = partsOf(bytes.subarray(from, to < 0 ? undefined : to), to >= 0)
    if (said.length > 0) {
      const wrong = take(journal, said.toString(), after)
      if (wrong !== null) return { ...journal, [wrong]: true }
      journal.end = from + said.length
    }
    if (torn || to < 0) return { ...journal, torn }
    from = to + 1
  }
  return journal
}

function take(journal: JournalText, line: string, after: number): 'torn' | 'newer' | null {
  const entry = parseEntry(line)
  if (entry === null) return 'torn'
  if (entry.v > JOURNAL_VERSION) return 'newer'
  if (entry.seq !== after + journal.entries.length + 1) return 'torn'
  if (entry.seq === 1) journal.id = journalId(line)
  journal.entries.push(entry)
  return null
}

/**
 * A line is whole where an end of line or room follows. Behind that room may stand the rest of a later one, of which a power
 * cut has taken the beginning, and with it the end of this line.
 */
function partsOf(line: Buffer, isEnded: boolean): { said: Buffer; torn: boolean } {
  const room = line.indexOf(TAB)
  if (room >= 0) return { said: line.subarray(0, room), torn: line.subarray(room).some(byte => byte !== TAB) }
  return isEnded ? { said: line, torn: false } : { said: line.subarray(0, 0), torn: line.length > 0 }
}

/** Its first line tells the run, and the moment to a thousandth of a second. */
export const journalId = (firstLine: string): string => shortHash(firstLine)

export const entryLine = ({ v, seq, at, event }: JournalEntry): string =>
  JSON.stringify({ v, seq, at, ...event })

function parseEntry(line: string): JournalEntry | null {
  try {
    const { v, seq, at, ...event } = JSON.parse(line)
    if (typeof v !== 'number' || typeof event.type !== 'string') return null
    return { v, seq, at, event: v === 1 ? fromVersion1(event) : event }
  } catch {
    return null
  }
}

export const writtenByNewer = (runId: string): Failed =>
  new Failed({ code: 'usage', what: 'newer-record', runId })
