/**
 * Output as the text of an answer. What waits for a reader is the bytes of the frame and nothing else: each byte of
 * output is one there, two to six where JSON escapes it, three where it is a NUL or no UTF-8. While the answer is made,
 * the output itself is held beside it, up to twice.
 */
import { isUtf8 } from 'node:buffer'
import { cutCharacterBytes } from '../../../process/cut-character.ts'

export type Text = {
  readonly text: string | LargeText
  readonly isTruncated: boolean
  readonly isBinary: boolean
}

/** Strings of this size are young garbage, which costs next to nothing. */
const PIECE_BYTES = 32 * 1024

/** At most `limit` bytes of it as text: never half a character that the limit cut, never a NUL. */
export function toText(kept: Buffer, total: number, limit: number): Text {
  const isTruncated = total > Math.min(limit, kept.length)
  const whole = kept.length > limit ? kept.subarray(0, limit) : kept
  const bytes = isTruncated ? whole.subarray(0, whole.length - cutCharacterBytes(whole)) : whole
  return {
    text: bytes.length > PIECE_BYTES ? new LargeText(bytes) : textOf(bytes),
    isTruncated,
    isBinary: bytes.includes(0) || !isUtf8(bytes),
  }
}

/** Becomes JSON piece by piece: whole, it would be in memory as text, as JSON and as bytes, at two bytes a character. */
export class LargeText {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** What stands between the quotes. */
  *json(): Generator<Buffer> {
    for (let rest = this.#bytes; rest.length > 0; ) {
      const piece = rest.subarray(0, PIECE_BYTES)
      // A character that begins in this piece and ends in the next one belongs there.
      const whole =
        piece.length < rest.length ? piece.subarray(0, piece.length - cutCharacterBytes(piece)) : piece
      yield Buffer.from(JSON.stringify(textOf(whole)).slice(1, -1))
      rest = rest.subarray(whole.length)
    }
  }
}

function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  // As a pattern: given as a string, each replacement is an object of its own until all are made.
  return bytes.includes(0) ? text.replace(/\0/g, '\ufffd') : text
}

/** How many of the first bytes surely fit into `room` bytes of JSON. */
export function fitJson(bytes: Buffer, room: number): number {
  if (bytes.length * 6 <= room) return bytes.length
  const perHighByte = isUtf8(bytes) ? 1 : 3
  let used = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte >= 0x80) used += perHighByte
    else if (byte < 0x20) used += 6
    else used += byte === 0x22 || byte === 0x5c ? 2 : 1
    if (used > room) return at
  }
  return bytes.length
}
