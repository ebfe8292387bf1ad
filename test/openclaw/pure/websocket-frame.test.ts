/** Frames of a WebSocket: what a client writes, unmasked as a server does it, is what it reads. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { frameOf, OPCODE, takeFrame } from '../../../src/openclaw/websocket-frame.ts'

/** The same frame without its mask, as servers send it. */
function unmasked(frame: Buffer): Buffer {
  const coded = frame[1]! & 0x7f
  const at = coded < 126 ? 2 : coded === 126 ? 4 : 10
  const mask = frame.subarray(at, at + 4)
  const head = Buffer.from(frame.subarray(0, at))
  head[1] = coded
  return Buffer.concat([head, frame.subarray(at + 4).map((byte, place) => byte ^ mask[place & 3]!)])
}

const served = (text: string) => unmasked(frameOf(OPCODE.text, Buffer.from(text)))

test.each([0, 1, 125, 126, 127, 65_535, 65_536, 200_000])('%i bytes, whole and in pieces', length => {
  const payload = Buffer.alloc(length, 'ab')
  const bytes = unmasked(frameOf(OPCODE.text, payload))
  for (const end of [0, 1, 2, 5, 9, bytes.length - 1])
    if (end < bytes.length) expect(takeFrame(bytes.subarray(0, end))).toBeNull()
  const taken = takeFrame(Buffer.concat([bytes, Buffer.from('next')]))
  expect(taken?.frame).toMatchObject({ opcode: OPCODE.text, isFinal: true })
  expect(taken?.frame.payload.equals(payload)).toBe(true)
  expect(taken?.rest.toString()).toBe('next')
})

test('whatever is sent is read, one frame after the other', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 5 }), texts => {
      let rest: Buffer = Buffer.concat(texts.map(served))
      const seen: string[] = []
      for (let next = takeFrame(rest); next !== null; next = takeFrame(rest)) {
        seen.push(next.frame.payload.toString())
        rest = next.rest
      }
      expect(seen).toEqual(texts)
      expect(rest).toHaveLength(0)
    }),
  )
})

test('a client masks what it sends', () => {
  const frame = frameOf(OPCODE.text, Buffer.from('secret words'))
  expect(frame[1]! & 0x80).toBe(0x80)
  expect(frame.toString('latin1')).not.toContain('secret words')
})

describe('refused', () => {
  test.each([
    ['a masked frame', frameOf(OPCODE.text, Buffer.from('x'))],
    ['bits of an extension', Buffer.from([0xc1, 0x00])],
    ['more than fits into the memory', Buffer.from([0x81, 0x7f, 0, 0, 0, 1, 0, 0, 0, 0])],
  ])('%s', (_, bytes) => {
    expect(() => takeFrame(bytes)).toThrow(RangeError)
  })
})
