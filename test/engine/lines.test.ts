import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lineReader } from '../../src/engine/line-reader.ts'
import { redactor } from '../../src/engine/redact.ts'

function read(chunks: (string | Buffer)[]): string[] {
  const lines: string[] = []
  const reader = lineReader(line => lines.push(line))
  for (const chunk of chunks) reader.push(Buffer.from(chunk as string))
  reader.end()
  return lines
}

test('lines come whole, however they were cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string().filter(s => !/[\p{C}\p{DI}\u2028\u2029]/u.test(s))),
      fc.integer({ min: 1, max: 7 }),
      (lines, size) => {
        const bytes = Buffer.from(lines.map(line => `${line}\n`).join(''))
        const chunks: Buffer[] = []
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
        expect(read(chunks)).toEqual(lines)
      },
    ),
  )
})

test('what could move a cursor or turn a line round never comes through', () => {
  const hostile = '\u001b[2K\u001b]0;title\u0007ok\b\b\u0000 \u202eevil\u009b31m'
  expect(read([`${hostile}\n`]).join('')).not.toMatch(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/,
  )
})

test('characters that show nothing are written as what they are', () => {
  expect(read(['a\u200bb\u{e0041}c\u00add\u2060 \u2028e\ufeff\n'])).toEqual([
    'a\\u{200b}b\\u{e0041}c\\u{ad}d\\u{2060} \\u{2028}e\\u{feff}',
  ])
})

test('a secret with such a character is found all the same', () => {
  const secret = 'hunter\u200b2-hunter'
  const lines: string[] = []
  const reader = lineReader(line => lines.push(line), redactor([secret]))
  reader.push(Buffer.from(`${secret}\n`))
  reader.end()
  expect(lines).toEqual(['***'])
})

test('a carriage return begins a new line instead of hiding the one before', () => {
  expect(read(['safe\rOPENCLAW_RESULT_JSON:{}\n'])).toEqual(['safe', 'OPENCLAW_RESULT_JSON:{}'])
})

test('a last line without an end is kept', () => {
  expect(read(['a\nb'])).toEqual(['a', 'b'])
})

test('a line without an end comes in pieces of bounded length', () => {
  const lines = read(Array.from({ length: 64 }, () => 'x'.repeat(1024)))
  expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(4096)
  expect(lines.join('').length).toBe(64 * 1024)
})

test('of endless output the beginning and the end are kept, and what is missing is counted', () => {
  const chunk = `${'y'.repeat(1023)}\n`.repeat(64)
  const lines = read([...Array.from({ length: 100 }, () => chunk), 'the end\n'])
  expect(lines.at(-1)).toBe('the end')
  expect(lines.find(line => line.includes('not shown'))).toMatch(
    /^\.\.\. \d+ bytes of output not shown \.\.\.$/,
  )
  expect(lines.length).toBeLessThan(5000)
})
