/** Reads a journal along while it is written: each event once and in order, until the run has ended. */
import { closeSync, openSync, readSync } from 'node:fs'
import { basename } from 'node:path'
import { type JournalEntry, parseJournal, writtenByNewer } from './journal-text.ts'
import { journalFile } from './read-journal.ts'
import { mayLive } from './run-status.ts'
import { readRun } from './runs-folder.ts'
import { watchFolder } from './watch-folder.ts'

/** `after`: the number of the last line that is known already. `follow`: whether to wait for those to come. */
type Options = { after?: number; follow?: boolean; signal?: AbortSignal }

/** The death of a runner changes nothing in its folder, and not every file system tells of changes. */
const LOOK_AGAIN_MS = 1000
/** Of one batch, unless a single line is longer. */
const BATCH_BYTES = 256 * 1024

/**
 * Ends when the run has (its report is written, or its runner is dead), and when the signal aborts. Throws `Failed` at
 * lines of a newer hostops.
 */
export async function* watchJournal(folder: string, options: Options = {}): AsyncGenerator<JournalEntry> {
  for await (const batch of journalBatches(folder, options)) yield* batch
}

/** The same in pieces that can be sent: none is empty, and whoever has lost one asks again with `after`. */
export async function* journalBatches(
  folder: string,
  { after = 0, follow = true, signal = new AbortController().signal }: Options = {},
): AsyncGenerator<JournalEntry[]> {
  const changes = makeChanges(folder, signal)
  const tail = openTail(folder)
  try {
    while (!signal.aborted) {
      // Asked before reading: what a runner wrote until it ended is read for certain.
      const status = follow ? readRun(folder)?.status : undefined
      const isOver = status === undefined || !mayLive(status)
      const entries = tail()
      const news = entries.filter(({ seq }) => seq > after)
      if (news.length > 0) yield news
      if (entries.length > 0) continue
      if (isOver) return
      await changes.next()
    }
  } finally {
    changes.close()
  }
}

/** Returns what of the journal has been added since the last call, in whole lines. */
export function openTail(folder: string): () => JournalEntry[] {
  let offset = 0
  let seq = 0
  return () => {
    for (let bytes = BATCH_BYTES; ; bytes *= 2) {
      const piece = readPiece(journalFile(folder), offset, bytes)
      const { entries, end, newer } = parseJournal(piece, seq)
      if (entries.length === 0 && newer) throw writtenByNewer(basename(folder))
      if (entries.length === 0 && piece.length === bytes) continue
      // From the end of the last line: the room behind it is overwritten in place.
      offset += end
      seq += entries.length
      return entries
    }
  }
}

function readPiece(file: string, offset: number, bytes: number): Buffer {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch {
    // Its runner has not begun, or the run was removed.
    return Buffer.alloc(0)
  }
  try {
    const piece = Buffer.allocUnsafe(bytes)
    return piece.subarray(0, readSync(descriptor, piece, 0, bytes, offset))
  } finally {
    closeSync(descriptor)
  }
}

/** `next` resolves at once when something has changed since it last did. */
function makeChanges(folder: string, signal: AbortSignal) {
  let isDue = false
  let wake = () => {}
  const noticed = () => {
    isDue = true
    wake()
  }
  const unwatch = watchFolder(folder, noticed)
  signal.addEventListener('abort', noticed)
  return {
    async next() {
      if (!isDue && !signal.aborted) {
        const woken = new Promise<void>(resolve => {
          wake = resolve
        })
        const timer = setTimeout(wake, LOOK_AGAIN_MS)
        await woken
        clearTimeout(timer)
      }
      isDue = false
    },
    close() {
      unwatch()
      signal.removeEventListener('abort', noticed)
    },
  }
}
