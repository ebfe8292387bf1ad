/**
 * A secret in the output of a command, wherever it stands: at the cuts of long lines, at the mark behind which only the
 * end of an output is kept, across chunks and halves of characters. What is told is stripped of everything that is not
 * of the secret: nothing may be left, not even a part of it.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lineReader } from '../../src/engine/line-reader.ts'
import { redactor } from '../../src/engine/redact.ts'

const LINE = 4096
const MARK = 4 * 1024 * 1024
const TAIL = 64 * 1024

/** Of what neither fillers nor masks hold. */
const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWYZ0123456789/+"%&äñ漢🔑'] as const
const lineOf = (minLength: number) =>
  fc.array(fc.constantFrom(...letters), { minLength, maxLength: 90 }).map(all => all.join(''))
const secret = fc.oneof(
  { weight: 3, arbitrary: lineOf(8) },
  fc.array(lineOf(8), { minLength: 2, maxLength: 4 }).map(lines => lines.join('\n')),
)
const form = fc.constantFrom<(text: string) => string>(
  text => text,
  text => JSON.stringify(text).slice(1, -1),
  text => encodeURIComponent(text),
  text => Buffer.from(text).toString('hex'),
  text => Buffer.from(text).toString('base64').replace(/=+$/, ''),
  text => Buffer.from(text).toString('base64url'),
  text => wrapped(Buffer.from(text).toString('base64').replace(/=+$/, ''), 76),
  // A program that writes in colour.
  text => [...text].map(each => `\u001b[31m${each}`).join(''),
)
/** Without a last line so short that it says nothing. */
const wrapped = (text: string, width: number) =>
  text.replace(new RegExp(`.{${width}}`, 'g'), '$&\n').replace(/\n.{1,3}$/, '')
const filler = fc.constantFrom('x', '\u20ac', '\u{1f600}', 'x\u001b[0m', 'xx\n', '\u0000x')

/** Chunks that begin and end anywhere, in the middle of a character too. */
function* chunksOf(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

function told(secrets: string[], bytes: Buffer, sizes: readonly number[]): string[] {
  const lines: string[] = []
  const reader = lineReader(line => lines.push(line), redactor(secrets))
  for (const chunk of chunksOf(bytes, sizes)) reader.push(chunk)
  reader.end()
  return lines
}

const left = (lines: readonly string[]) =>
  lines
    .filter(line => !/^\.\.\. \d+ bytes of output not shown \.\.\.$/.test(line))
    .join('')
    .replace(/[x*=\u20ac\u{1f600}\ufffd]/gu, '')

const fill = (piece: string, bytes: number) => piece.repeat(Math.floor(bytes / Buffer.byteLength(piece)))

describe('nothing of a secret is told', () => {
  test('around the cuts of a long line', () => {
    const property = fc.property(
      ...[secret, form, filler, fc.integer({ min: 1, max: 3 }), fc.integer({ min: -700, max: 20 })],
      fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }),
      fc.nat(3 * LINE),
      (value, shape, piece, lines, shift, sizes, after) => {
        const before = fill(piece, Math.max(0, lines * LINE + shift))
        const shown = shape(value)
        const bytes = Buffer.from(`${before}${shown}${fill(piece, after)}${shown}`)
        expect(left(told([value], bytes, sizes))).toBe('')
      },
    )
    fc.assert(property, { numRuns: 400 })
  })

  test('around the mark, and at the beginning of the end that is kept', () => {
    const property = fc.property(
      ...[
        secret,
        form,
        fc.constantFrom('x', '\u20ac', 'x'.repeat(999).concat('\n')),
        fc.nat(60),
        fc.nat(999),
      ],
      fc.array(fc.constantFrom(1000, 4096, 65_536, 65_537), { minLength: 1, maxLength: 3 }),
      (value, shape, piece, between, shift, sizes) => {
        const many = `${shape(value)}${fill('x', between)}`.repeat(40)
        const parts = [
          fill(piece, MARK - 1000 - shift),
          many,
          fill(piece, 4 * TAIL),
          many.repeat(5),
          fill(piece, TAIL),
        ]
        const lines = told([value], Buffer.from(parts.join('')), sizes)
        expect(lines.some(line => /not shown/.test(line))).toBe(true)
        expect(left(lines)).toBe('')
      },
    )
    fc.assert(property, { numRuns: 25 })
  }, 60_000)

  test('in an output of nothing else', () => {
    const property = fc.property(
      ...[secret, form, fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 5 })],
      (value, shape, sizes) => {
        expect(left(told([value], Buffer.from(`${shape(value)}\n`.repeat(80)), sizes))).toBe('')
      },
    )
    fc.assert(property, { numRuns: 100 })
  })
})

test('what is no secret is told whole, however much is held back', () => {
  const property = fc.property(
    fc.array(fc.constantFrom('x', 'yy', '\u{1f600}', '\n', 'AB', '\u20ac'.repeat(700)), { maxLength: 60 }),
    fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
    (parts, sizes) => {
      const text = parts.join('')
      const lines = told(['ABCDEFGHIJKL'.repeat(200)], Buffer.from(text), sizes)
      expect(lines.join('')).toBe(text.replaceAll('\n', ''))
    },
  )
  fc.assert(property)
})

test('a secret of the longest kind is found too, and costs no more than its length', () => {
  const value = Array.from({ length: 8192 }, (_, at) => `KEY${at % 10}${at % 7}`.padEnd(8, 'Q')).join('')
  const bytes = Buffer.concat([
    Buffer.from(fill('x', LINE - 9)),
    Buffer.from(value),
    Buffer.from(fill('x', MARK)),
  ])
  expect(left(told([value], bytes, [65_536]))).toBe('')
})

test('a line without an end is told while it comes', () => {
  const lines: string[] = []
  const reader = lineReader(line => lines.push(line), redactor(['ABCDEFGHIJKL']))
  for (let at = 0; at < 20; at += 1) reader.push(Buffer.from(fill('x', LINE)))
  expect(lines.join('').length).toBeGreaterThan(18 * LINE)
  reader.end()
  expect(lines.join('')).toBe(fill('x', 20 * LINE))
})
