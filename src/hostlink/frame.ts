/** The byte layer of the hostlink wire: `HLNK`, a 32-bit length, a payload. PROTOCOL.md is normative. */
import type { StreamName } from '../process/stream-name.ts'

export const MAGIC = 0x484c4e4b
export const HEADER_BYTES = 8
/** The largest payload that the wire allows, in either direction. */
export const MAX_PAYLOAD_BYTES = 134_217_728
/** Ids are echoed in every output frame behind a one-byte length. */
export const MAX_STREAM_ID_BYTES = 255

type FrameFault = 'bad-magic' | 'empty' | 'oversized'

export class FrameError extends Error {
  readonly fault: FrameFault
  /** The length that the peer declared, where the header got that far. */
  readonly declared: number
  constructor(fault: FrameFault, declared = 0) {
    super(`hostlink frame: ${fault}`)
    this.fault = fault
    this.declared = declared
  }
}

const STREAM_TAG = { stdout: 1, stderr: 2 } as const

type OutputFrame = { id: string; stream: StreamName; data: Buffer }

export function encodeFrame(payload: string | Uint8Array): Buffer {
  const length = typeof payload === 'string' ? Buffer.byteLength(payload, 'utf8') : payload.length
  const frame = frameFor(length)
  // Text goes straight to its place: an answer may be large, and many of them may wait for their readers.
  if (typeof payload === 'string') frame.write(payload, HEADER_BYTES, 'utf8')
  else frame.set(payload, HEADER_BYTES)
  return frame
}

/** Begins with its header and has room for its payload, or for the part of it that is not written apart. */
function frameFor(length: number, room = length): Buffer {
  if (length === 0) throw new FrameError('empty')
  if (length > MAX_PAYLOAD_BYTES) throw new FrameError('oversized', length)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + room)
  frame.writeUInt32BE(MAGIC, 0)
  frame.writeUInt32BE(length, 4)
  return frame
}

/** One frame, without a copy of the parts that its payload consists of. */
export function encodeFrameOf(parts: readonly Buffer[]): Buffer[] {
  const length = parts.reduce((bytes, part) => bytes + part.length, 0)
  return [frameFor(length, 0), ...parts]
}

export const encodeMessage = (message: object): Buffer => encodeFrame(JSON.stringify(message))

/** A copy: the data may be written over as soon as this returns. */
export function encodeOutput({ id, stream, data }: OutputFrame): Buffer {
  const idBytes = Buffer.byteLength(id)
  if (idBytes > MAX_STREAM_ID_BYTES) throw new RangeError(`stream id of ${idBytes} bytes`)
  const frame = frameFor(2 + idBytes + data.length)
  frame[HEADER_BYTES] = STREAM_TAG[stream]
  frame[HEADER_BYTES + 1] = idBytes
  frame.write(id, HEADER_BYTES + 2, 'utf8')
  data.copy(frame, HEADER_BYTES + 2 + idBytes)
  return frame
}

/** JSON payloads begin with `{` or white space, output payloads with the tag of their stream. */
export const isOutputPayload = (payload: Buffer): boolean =>
  payload[0] === STREAM_TAG.stdout || payload[0] === STREAM_TAG.stderr

export function decodeOutput(payload: Buffer): OutputFrame | null {
  const idBytes = payload[1]
  if (!isOutputPayload(payload) || idBytes === undefined || payload.length < 2 + idBytes) return null
  return {
    id: payload.toString('utf8', 2, 2 + idBytes),
    stream: payload[0] === STREAM_TAG.stdout ? 'stdout' : 'stderr',
    data: payload.subarray(2 + idBytes),
  }
}

const FIRST_ALLOCATION = 4096

/**
 * Cuts a byte stream into payloads. Memory follows the bytes received, never the length declared nor the
 * number of pieces they came in, and a header that breaks the rules throws before its payload is kept.
 */
export class FrameReader {
  /** May be raised while a connection earns trust; applies to headers that are read after the change. */
  maxPayload: number
  #held = Buffer.alloc(0)
  #heldBytes = 0
  #need = HEADER_BYTES
  #inHeader = true

  constructor(maxPayload = MAX_PAYLOAD_BYTES) {
    this.maxPayload = maxPayload
  }

  /** Bytes held of a frame that is not complete. */
  get buffered(): number {
    return this.#heldBytes
  }

  /** True between frames: a peer that ends here has cut nothing short. */
  get atBoundary(): boolean {
    return this.#inHeader && this.#heldBytes === 0
  }

  *push(chunk: Buffer): Generator<Buffer, void, undefined> {
    let rest = chunk
    while (rest.length > 0) {
      const taken = Math.min(this.#need - this.#heldBytes, rest.length)
      const part = rest.subarray(0, taken)
      rest = rest.subarray(taken)
      const whole = this.#heldBytes === 0 && taken === this.#need ? part : this.#hold(part)
      if (whole === null) return
      if (this.#inHeader) {
        this.#need = this.#payloadLength(whole)
        this.#inHeader = false
      } else {
        this.#need = HEADER_BYTES
        this.#inHeader = true
        yield whole
      }
    }
  }

  #payloadLength(header: Buffer): number {
    if (header.readUInt32BE(0) !== MAGIC) throw new FrameError('bad-magic')
    const length = header.readUInt32BE(4)
    if (length === 0) throw new FrameError('empty')
    if (length > this.maxPayload) throw new FrameError('oversized', length)
    return length
  }

  /** Adds to what is held; answers the whole part once it is complete, and then holds nothing. */
  #hold(part: Buffer): Buffer | null {
    const bytes = this.#heldBytes + part.length
    if (bytes > this.#held.length) {
      const room = Math.min(this.#need, Math.max(bytes, 2 * this.#held.length, FIRST_ALLOCATION))
      const larger = Buffer.allocUnsafeSlow(room)
      this.#held.copy(larger, 0, 0, this.#heldBytes)
      this.#held = larger
    }
    part.copy(this.#held, this.#heldBytes)
    this.#heldBytes = bytes
    if (bytes < this.#need) return null
    const whole = this.#held.subarray(0, bytes)
    this.#held = Buffer.alloc(0)
    this.#heldBytes = 0
    return whole
  }
}
