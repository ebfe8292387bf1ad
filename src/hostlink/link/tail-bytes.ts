import type { JobTailAnswer } from '../messages.ts'

/**
 * The bytes of a chunk. `binary` means base64 from our daemon, but "cut at the first NUL" from the existing one;
 * the offsets tell which: only real base64 has exactly the length that they span.
 */
export function tailBytes(answer: JobTailAnswer): Buffer {
  if (answer.binary === true) {
    const decoded = Buffer.from(answer.data, 'base64')
    if (decoded.length === answer.next_offset - answer.offset) return decoded
  }
  return Buffer.from(answer.data, 'utf8')
}
