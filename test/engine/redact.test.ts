import fc from 'fast-check'
import { expect, test } from 'vitest'
import { redactDeep, redactor } from '../../src/engine/redact.ts'

const secret = fc
  .string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 40 })
  .filter(text => text.trim().length >= 8)
const around = fc.string({ maxLength: 20 })

const small = (uri: string) => uri.replace(/%../g, digits => digits.toLowerCase())
/** Everything but letters, digits and -._~, as RFC 3986 has it. */
const strict = (text: string) =>
  [...Buffer.from(text)]
    .map(byte => {
      const c = String.fromCharCode(byte)
      return /[A-Za-z0-9._~-]/.test(c) ? c : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`
    })
    .join('')

const forms: [string, (text: string) => string][] = [
  ['as it is', text => text],
  ['in JSON', text => JSON.stringify(text).slice(1, -1)],
  ['in a URL', text => encodeURIComponent(text)],
  ['in a form', text => encodeURIComponent(text).replaceAll('%20', '+')],
  ['in a URL with small digits', text => small(encodeURIComponent(text))],
  ['in a form as Python writes it', text => strict(text).replaceAll('%20', '+')],
  ['in a path as Python writes it', text => strict(text).replaceAll('%2F', '/')],
  ['in a whole URL', text => encodeURI(text)],
  ['in base64', text => Buffer.from(text).toString('base64').replace(/=+$/, '')],
  ['in base64url', text => Buffer.from(text).toString('base64url')],
  ['in hex', text => Buffer.from(text).toString('hex')],
  ['in hex of capital letters', text => Buffer.from(text).toString('hex').toUpperCase()],
]

test.each(forms)('a secret is taken out %s', (_name, form) => {
  fc.assert(
    fc.property(secret, around, around, (value, before, after) => {
      fc.pre(!value.includes('\n') && !value.includes('\r'))
      expect(redactor([value]).text(`${before}${form(value)}${after}`)).not.toContain(form(value))
    }),
  )
})

test('a secret inside a longer encoded text leaves none of its whole groups', () => {
  const value = 'correct-horse-battery-staple'
  for (const before of ['', 'a', 'ab', 'abc', 'user:']) {
    const encoded = Buffer.from(`${before}${value}:tail`).toString('base64')
    const shown = redactor([value]).text(encoded)
    expect(Buffer.from(shown, 'base64').toString()).not.toContain('horse-battery')
    expect(shown).toContain('***')
  }
})

test.each([64, 76])('a long secret in base64 with lines of %i is taken out line by line', width => {
  const value = 'correct-horse-battery-staple'.repeat(5)
  const encoded = Buffer.from(value).toString('base64')
  for (let at = 0; at < encoded.length; at += width)
    expect(redactor([value]).text(`|${encoded.slice(at, at + width)}|`), String(at)).toMatch(/^\|\*\*\*=*\|$/)
})

test('of two secrets that begin alike nothing of the longer one is left', () => {
  for (const both of [
    ['hunter2-a', 'hunter2-a-and-more'],
    ['hunter2-a-and-more', 'hunter2-a'],
  ])
    expect(redactor(both).text('is hunter2-a-and-more.')).toBe('is ***.')
})

test('a secret of several lines is taken out line by line', () => {
  const key = '-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----'
  expect(redactor([key]).text('line: mnopqrstuvwx')).toBe('line: ***')
})

test('a text that holds no secret stays as it is', () => {
  expect(redactor(['correct-horse']).text('a horse, correct')).toBe('a horse, correct')
  expect(redactor([]).text('anything')).toBe('anything')
})

test('everything inside a value is covered, keys included', () => {
  const redact = redactor(['sesame-open'])
  const value = { list: ['x sesame-open', { 'sesame-open': 1 }], n: 1, none: null, flag: true }
  expect(redactDeep(value, redact)).toEqual({ list: ['x ***', { '***': 1 }], n: 1, none: null, flag: true })
})
