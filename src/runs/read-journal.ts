/** The journal in the folder of a run. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Event } from '../engine/events.ts'
import { type JournalText, parseJournal } from './journal-text.ts'

export const journalFile = (folder: string): string => join(folder, 'journal.ndjson')

/** An empty one where there is none, or none that can be read. */
export function readJournal(folder: string): JournalText {
  try {
    return parseJournal(readFileSync(journalFile(folder)))
  } catch {
    return parseJournal(Buffer.alloc(0))
  }
}

export const readEvents = (folder: string): Event[] => readJournal(folder).entries.map(({ event }) => event)
