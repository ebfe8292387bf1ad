import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutCharacterBytes } from '../../src/process/cut-character.ts'

test('wherever text is cut, what is left after taking the begun character away is text, and no more is taken', () => {
  const cutText = fc.string({ unit: 'binary', minLength: 1 }).chain(text => {
    const bytes = Buffer.from(text, 'utf8')
    return fc.integer({ min: 0, max: bytes.length }).map(end => ({ bytes, end }))
  })
  fc.assert(
    fc.property(cutText, ({ bytes, end }) => {
      const kept = end - cutCharacterBytes(bytes.subarray(0, end))
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, kept))
      const next = bytes.subarray(kept).toString('utf8').codePointAt(0)
      const nextBytes = next === undefined ? 0 : Buffer.byteLength(String.fromCodePoint(next))
      expect(Buffer.byteLength(text)).toBe(kept)
      expect(kept === end || kept + nextBytes > end).toBe(true)
    }),
  )
})

test('bytes that are no text are not taken for a begun character', () => {
  expect(cutCharacterBytes(Buffer.from([0x61, 0x80, 0x80, 0x80, 0x80]))).toBe(0)
  expect(cutCharacterBytes(Buffer.alloc(0))).toBe(0)
})
