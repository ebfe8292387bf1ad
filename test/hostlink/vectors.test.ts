/** Runs each wire vector against the encoder and the decoder. PROTOCOL.md is the text that they pin. */
import { isUtf8 } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import {
  decodeOutput,
  encodeFrame,
  encodeMessage,
  encodeOutput,
  FrameError,
  FrameReader,
  isOutputPayload,
} from '../../src/hostlink/frame.ts'
import { loadVectors } from '../rig/vectors.ts'

const vectors = loadVectors()

test('the folder holds vectors', () => {
  expect(vectors.length).toBeGreaterThan(200)
})

describe('the decoder', () => {
  test.each(vectors)('$name: $about', vector => {
    for (const size of chunkSizes(vector.bytes.length)) {
      expect(verdicts(vector.bytes, size), `in chunks of ${size}`).toEqual(vector.decodes)
    }
  })
})

describe('the encoder', () => {
  test.each(vectors)('$name: $about', vector => {
    const payloads = decode(vector.bytes, vector.bytes.length || 1).payloads
    const encoded = Buffer.concat(payloads.map(encodeAgain))
    expect(encoded.equals(vector.bytes.subarray(0, encoded.length))).toBe(true)
  })
})

function encodeAgain(payload: Buffer): Buffer {
  const output = decodeOutput(payload)
  if (output) return encodeOutput(output)
  const text = payload.toString('utf8')
  return isUtf8(payload) && isCompactJson(text) ? encodeMessage(JSON.parse(text)) : encodeFrame(payload)
}

function isCompactJson(text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === text && text.startsWith('{')
  } catch {
    return false
  }
}

/** Long vectors are not cut into single bytes: a few uneven sizes prove as much. */
const chunkSizes = (length: number) => (length > 20_000 ? [length, 4093] : [length || 1, 1, 3, 7, 8, 9])

function decode(bytes: Buffer, size: number) {
  const reader = new FrameReader()
  const payloads: Buffer[] = []
  try {
    for (let at = 0; at < bytes.length; at += size) {
      // A copy, because a reader may hand out views of its chunk and must not depend on it later.
      const chunk = Buffer.from(bytes.subarray(at, at + size))
      for (const payload of reader.push(chunk)) payloads.push(Buffer.from(payload))
      chunk.fill(0xee)
    }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error
    return {
      payloads,
      end: error.declared > 0 ? `fault ${error.fault} ${error.declared}` : `fault ${error.fault}`,
    }
  }
  return { payloads, end: reader.atBoundary ? null : 'unfinished' }
}

function verdicts(bytes: Buffer, size: number): string[] {
  const { payloads, end } = decode(bytes, size)
  const named = payloads.map(payload => {
    if (!isOutputPayload(payload)) return 'message'
    const output = decodeOutput(payload)
    if (output === null) return 'malformed'
    return `output ${output.id || '-'} ${output.stream} ${output.data.toString('hex') || '-'}`
  })
  return end === null ? named : [...named, end]
}
