/** Reads and writes the output streams of a spool. */
import { isUtf8 } from 'node:buffer'
import { closeSync, openSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { cutCharacterBytes, LONGEST_CHARACTER } from '../process/cut-character.ts'
import type { StreamName } from '../process/stream-name.ts'
import { systemReason } from '../process/system-error.ts'

/** Keeps the first bytes of a stream in its file and counts them all; a full disk ends the keeping only. */
export type SpoolWriter = {
  write(chunk: Buffer): void
  readonly originalBytes: number
  readonly failure: string | null
  close(): void
}

export function openSpoolWriter(folder: string, stream: StreamName, maxBytes: number): SpoolWriter {
  const fd = openSync(join(folder, stream), 'wx', 0o600)
  let kept = 0
  let originalBytes = 0
  let failure: string | null = null
  return {
    write(chunk) {
      originalBytes += chunk.length
      const part = chunk.subarray(0, maxBytes - kept)
      try {
        for (let done = 0; failure === null && done < part.length; ) {
          const written = writeSync(fd, part, done)
          done += written
          kept += written
        }
      } catch (error) {
        failure = systemReason(error)
      }
    },
    get originalBytes() {
      return originalBytes
    },
    get failure() {
      return failure
    },
    close: () => closeSync(fd),
  }
}

export type Chunk = { data: string; binary: boolean; nextOffset: number }

/**
 * Up to `maxBytes` of the stream from `offset` on. Text ends with a whole character as long as more may follow
 * (`isComplete` is false); what is no text is given in base64.
 */
export async function readChunk(
  folder: string,
  stream: StreamName,
  offset: number,
  maxBytes: number,
  isComplete: boolean,
): Promise<Chunk> {
  const bytes = await readBytes(join(folder, stream), offset, Math.max(maxBytes, LONGEST_CHARACTER))
  const isLast = isComplete && bytes.length < maxBytes
  const whole = isLast ? bytes : bytes.subarray(0, bytes.length - cutCharacterBytes(bytes))
  const isText = isUtf8(whole) && !whole.includes(0)
  if (isText) return { data: whole.toString('utf8'), binary: false, nextOffset: offset + whole.length }
  return { data: bytes.toString('base64'), binary: true, nextOffset: offset + bytes.length }
}

async function readBytes(path: string, offset: number, most: number): Promise<Buffer> {
  const file = await open(path, 'r').catch(() => null)
  if (file === null) return Buffer.alloc(0)
  try {
    const available = Math.max(0, (await file.stat()).size - offset)
    const buffer = Buffer.allocUnsafe(Math.min(most, available))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
