/**
 * The file of a journal. A line goes into room that lies on the disk already: a wait for the disk is a third shorter
 * where the size of a file stays as it is, and a disk that is full refuses the room, never half a line.
 *
 * The room is tabs between the last line and its end of line: each line stays JSON, a terminal shows nothing of it, and
 * since no tab stands in what is said, whatever a power cut has left out of a line is never read as its words.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { type JournalText, parseJournal } from './journal-text.ts'

type JournalFile = {
  /** What was said when it was opened. */
  readonly said: JournalText
  /** One or more lines, without the last end of line. Where it throws, nothing of them is there. */
  append(lines: string): void
  sync(): void
  /** Gives the room back. */
  close(): void
}

/** What twenty steps write: a wait in which room is made is as long as it was without. */
const ROOM = 16 * 1024
const TAB = 0x09
const NEWLINE = 0x0a

/** What a runner was writing when it died was not said: the next line begins where the last whole one ended. */
export function openJournalFile(path: string): JournalFile {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const bytes = readFileSync(descriptor)
  const said = parseJournal(bytes)
  if (said.newer) throw new Error('a newer hostops has written it')
  let { end } = said
  let size = bytes.length
  let broken: Error | null = null

  const cut = () => {
    if (end > 0) writeWhole(descriptor, Buffer.of(NEWLINE), end)
    size = end === 0 ? 0 : end + 1
    ftruncateSync(descriptor, size)
  }
  const makeRoom = (upTo: number) => {
    if (upTo < size) return
    const grown = Math.ceil((upTo + 1) / ROOM) * ROOM
    const room = Buffer.alloc(grown - size, TAB)
    room[room.length - 1] = NEWLINE
    writeWhole(descriptor, room, size)
    size = grown
  }
  if (size !== (end === 0 ? 0 : end + 1)) cut()

  return {
    said,
    append(lines) {
      if (broken !== null) throw broken
      const data = Buffer.from(end === 0 ? lines : `\n${lines}`)
      makeRoom(end + data.length)
      try {
        writeWhole(descriptor, data, end)
      } catch (error) {
        // Where what is overwritten goes elsewhere on the disk there may be room for half a line.
        try {
          writeWhole(descriptor, Buffer.alloc(data.length, TAB), end)
        } catch {
          broken = error as Error
        }
        throw error
      }
      end += data.length
    },
    sync: () => fdatasyncSync(descriptor),
    close() {
      try {
        cut()
      } finally {
        closeSync(descriptor)
      }
    },
  }
}

/** A write may be a short one, and the disk is full only at the next. */
function writeWhole(descriptor: number, data: Buffer, place: number): void {
  for (let at = 0; at < data.length; ) at += writeSync(descriptor, data, at, data.length - at, place + at)
}
