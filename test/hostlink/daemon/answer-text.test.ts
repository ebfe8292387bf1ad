/** Large output becomes JSON in pieces; nobody must be able to tell. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { answerFrame } from '../../../src/hostlink/daemon/peers/answer.ts'
import { toText } from '../../../src/hostlink/daemon/peers/answer-text.ts'
import { HEADER_BYTES } from '../../../src/hostlink/frame.ts'

const answerOf = (bytes: Buffer, limit = bytes.length) => {
  const { text } = toText(bytes, bytes.length, limit)
  const frame = Buffer.concat(answerFrame('n', 'i', { status: 'ok', exit_code: 0, stdout: text, stderr: '' }))
  expect(frame.readUInt32BE(4)).toBe(frame.length - HEADER_BYTES)
  return frame.toString('utf8', HEADER_BYTES)
}
const whole = (bytes: Buffer) =>
  JSON.stringify({
    version: 1,
    id: 'i',
    node: 'n',
    status: 'ok',
    exit_code: 0,
    stdout: bytes.toString('utf8').replaceAll('\0', '\ufffd'),
    stderr: '',
  })

/** What is cut apart, and what looks as if it were. */
const bits = fc.constantFrom(
  ...['a', '"', '\\', '\n', '\0', '\u0001', 'é', '€', '😀', '\u2028'].map(text => Buffer.from(text)),
  ...['80', 'c3', 'e2', 'e282', 'f0', 'f09f', 'f09f98', 'eda080', 'ff', 'c080'].map(hex =>
    Buffer.from(hex, 'hex'),
  ),
)

test('any bytes around any border of the pieces are the same text as in one piece', () => {
  fc.assert(
    fc.property(
      fc.array(bits, { minLength: 1, maxLength: 12 }),
      fc.nat(24),
      fc.integer({ min: 1, max: 3 }),
      (some, shift, pieces) => {
        const filler = Buffer.alloc(32 * 1024 - shift, 'x')
        const bytes = Buffer.concat(Array.from({ length: pieces }, () => [filler, ...some]).flat())
        expect(answerOf(bytes) === whole(bytes)).toBe(true)
      },
    ),
  )
})

test('output without any text in it, and with nothing but characters of four bytes', () => {
  for (const bytes of [Buffer.alloc(300_000, 0x80), Buffer.alloc(300_000, '😀'), Buffer.alloc(300_000)]) {
    expect(answerOf(bytes) === whole(bytes)).toBe(true)
  }
})

test('a limit in the middle of a character leaves that one out', () => {
  const bytes = Buffer.from('€'.repeat(50_000))
  expect(JSON.parse(answerOf(bytes, 100_000)).stdout).toBe('€'.repeat(33_333))
})
