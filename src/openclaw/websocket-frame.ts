/** Frames of a WebSocket, as a client reads and writes them. Pure but for the mask, which has to be random. */
import { randomBytes } from 'node:crypto'

export type Frame = { opcode: number; isFinal: boolean; payload: Buffer }

export const OPCODE = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const

/** A peer must not be able to fill the memory: the longest answers have 200 000 characters. */
const LONGEST_PAYLOAD = 32 * 1024 * 1024
const SHORT = 126
const LONG = 127

/** The first frame of `bytes` and what is behind it; null until all of it is there. Throws if it breaks the rules. */
export function takeFrame(bytes: Buffer): { frame: Frame; rest: Buffer } | null {
  const [first, second] = bytes
  if (first === undefined || second === undefined) return null
  const coded = second & 0x7f
  const start = coded < SHORT ? 2 : coded === SHORT ? 4 : 10
  if (bytes.length < start) return null
  const length = start === 2 ? coded : start === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  if ((first & 0x70) !== 0 || (second & 0x80) !== 0) throw new RangeError('a frame breaks the rules')
  if (length > LONGEST_PAYLOAD) throw new RangeError(`a frame has ${length} bytes`)
  const end = start + length
  if (bytes.length < end) return null
  const frame = { opcode: first & 0x0f, isFinal: (first & 0x80) !== 0, payload: bytes.subarray(start, end) }
  return { frame, rest: bytes.subarray(end) }
}

/** A whole message in one frame, masked as every client must. */
export function frameOf(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const coded = length < SHORT ? length : length < 65_536 ? SHORT : LONG
  const head = Buffer.alloc(coded < SHORT ? 2 : coded === SHORT ? 4 : 10)
  head[0] = 0x80 | opcode
  head[1] = 0x80 | coded
  if (coded === SHORT) head.writeUInt16BE(length, 2)
  if (coded === LONG) head.writeBigUInt64BE(BigInt(length), 2)
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, payload.map((byte, at) => byte ^ mask[at & 3]!)])
}
