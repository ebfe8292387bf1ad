import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeOutput,
  encodeFrame,
  encodeMessage,
  encodeOutput,
  FrameError,
  FrameReader,
  HEADER_BYTES,
  isOutputPayload,
  MAX_STREAM_ID_BYTES,
} from '../../src/hostlink/frame.ts'

const payload = fc.uint8Array({ minLength: 1, maxLength: 300 })
const payloads = fc.array(payload, { maxLength: 12 })
/** Where to cut, as fractions, so that shrinking keeps cuts inside the bytes. */
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 })

test('any payloads in any chunks come out as they went in', () => {
  fc.assert(
    fc.property(payloads, cuts, (sent, where) => {
      const bytes = Buffer.concat(sent.map(encodeFrame))
      const reader = new FrameReader()
      expect(readAll(reader, chunk(bytes, where))).toEqual(sent.map(one => Buffer.from(one)))
      expect(reader.atBoundary).toBe(true)
      expect(reader.buffered).toBe(0)
    }),
    { numRuns: 500 },
  )
})

test('any garbage ends in frames or a FrameError, and no more is held than was received', () => {
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    // Garbage that looks like frames gets further.
    fc
      .array(
        fc.oneof(fc.constant(Buffer.from('HLNK')), fc.uint8Array({ maxLength: 9 }), payload.map(encodeFrame)),
      )
      .map(parts => Buffer.concat(parts)),
  )
  fc.assert(
    fc.property(garbage, cuts, fc.integer({ min: 1, max: 400 }), (bytes, where, maxPayload) => {
      const reader = new FrameReader(maxPayload)
      let received = 0
      try {
        for (const part of chunk(Buffer.from(bytes), where)) {
          received += part.length
          for (const whole of reader.push(part)) expect(whole.length).toBeLessThanOrEqual(maxPayload)
          expect(reader.buffered).toBeLessThanOrEqual(Math.min(received, Math.max(maxPayload, HEADER_BYTES)))
        }
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError)
      }
    }),
    { numRuns: 1000 },
  )
})

test('how garbage is cut changes nothing: the same frames, then the same fault', () => {
  fc.assert(
    fc.property(payloads, fc.uint8Array({ maxLength: 40 }), cuts, (sent, garbage, where) => {
      const bytes = Buffer.concat([...sent.map(encodeFrame), garbage])
      expect(outcome(chunk(bytes, where))).toEqual(outcome([bytes]))
    }),
    { numRuns: 500 },
  )
})

test('a large length declared and not sent costs no memory', () => {
  const header = Buffer.from('484c4e4b08000000', 'hex')
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 200 }, () => {
    const reader = new FrameReader()
    for (const _ of reader.push(header)) throw new Error('a frame out of a header')
    for (const _ of reader.push(Buffer.from('{'))) throw new Error('a frame out of one byte')
    return reader
  })
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
  expect(readers.every(reader => reader.buffered === 1)).toBe(true)
})

test('a large frame in tiny pieces takes time in proportion to its bytes', () => {
  const read = (size: number) => {
    const bytes = encodeFrame(Buffer.alloc(size, 0x20))
    const started = process.hrtime.bigint()
    const reader = new FrameReader()
    for (let at = 0; at < bytes.length; at += 16) {
      for (const whole of reader.push(bytes.subarray(at, at + 16))) expect(whole.length).toBe(size)
    }
    return Number(process.hrtime.bigint() - started)
  }
  read(1 << 16)
  // Sixteen times the bytes would take 256 times as long if every piece copied what is held.
  expect(read(1 << 22) / read(1 << 18)).toBeLessThan(80)
})

test('any output frame comes out as it went in, and is never taken for a message', () => {
  const id = fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .filter(text => Buffer.byteLength(text) <= MAX_STREAM_ID_BYTES)
  fc.assert(
    fc.property(
      id,
      fc.constantFrom('stdout', 'stderr'),
      fc.uint8Array(),
      cuts,
      (name, stream, data, where) => {
        const frame = encodeOutput({ id: name, stream, data: Buffer.from(data) })
        const [whole, ...more] = readAll(new FrameReader(), chunk(frame, where))
        expect(more).toEqual([])
        expect(isOutputPayload(whole!)).toBe(true)
        expect(decodeOutput(whole!)).toEqual({ id: name, stream, data: Buffer.from(data) })
      },
    ),
  )
})

test('any message comes out as it went in, and is never taken for output', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), cuts, (message, where) => {
      const [whole] = readAll(new FrameReader(), chunk(encodeMessage(message), where))
      expect(isOutputPayload(whole!)).toBe(false)
      expect(whole!.toString('utf8')).toBe(JSON.stringify(message))
    }),
  )
})

test('any bytes as an output payload are an output frame or null', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      const output = decodeOutput(Buffer.from(bytes))
      if (output === null) return
      expect(['stdout', 'stderr']).toContain(output.stream)
      expect(output.data.length).toBeLessThanOrEqual(bytes.length - 2)
    }),
    { numRuns: 500 },
  )
})

function chunk(bytes: Buffer, where: number[]): Buffer[] {
  const edges = [0, ...where.map(part => Math.floor(part * bytes.length)).sort((a, b) => a - b), bytes.length]
  return edges.slice(1).map((edge, index) => Buffer.from(bytes.subarray(edges[index], edge)))
}

function readAll(reader: FrameReader, chunks: Buffer[]): Buffer[] {
  return chunks.flatMap(part => [...reader.push(part)].map(whole => Buffer.from(whole)))
}

function outcome(chunks: Buffer[]) {
  const reader = new FrameReader()
  const frames: string[] = []
  try {
    for (const part of chunks) for (const whole of reader.push(part)) frames.push(whole.toString('hex'))
    return { frames, end: reader.atBoundary ? 'boundary' : 'unfinished' }
  } catch (error) {
    return { frames, end: String(error) }
  }
}
