import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_DEPTH, MAX_VALUES, parseRequest } from '../../../src/hostlink/daemon/peers/request.ts'

const parse = (text: string | Uint8Array) => parseRequest(Buffer.from(text as string))
const reason = (text: string | Uint8Array) => {
  const parsed = parse(text)
  return 'invalid' in parsed ? parsed.invalid : null
}
const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
const values = (count: number) =>
  `{"a":[${Array(count - 2)
    .fill('0')
    .join(',')}]}`

describe('the envelope', () => {
  test('type, id, token and keep_alive; anything else of the wrong type counts as absent', () => {
    expect(parse('{"type":"ping","id":"x","token":"t","keep_alive":true,"more":1}')).toMatchObject({
      request: { type: 'ping', id: 'x', token: 't', keepAlive: true, fields: { more: 1 } },
    })
    expect(parse(' {"type":1,"id":[],"token":null,"keep_alive":1}')).toMatchObject({
      request: { type: '', id: '', token: null, keepAlive: false },
    })
  })
})

describe('refused', () => {
  test.each([
    ['[]', 'not an object'],
    ['null', 'not an object'],
    ['"{}"', 'not an object'],
    ['{', 'not JSON'],
    ['{}x', 'not JSON'],
    ['\ufeff{}', 'not JSON'],
    ['{"a":01}', 'not JSON'],
    ['{"a":1,"a":1}', 'a key twice in one object'],
    ['{"a":1,"\\u0061":2}', 'a key twice in one object'],
    ['{"a":{"b":{},"b":[1]}}', 'a key twice in one object'],
    ['{"__proto__":1,"__proto__":2}', 'a key twice in one object'],
    ['{"id":"\\ud800"}', 'half a surrogate pair'],
    ['{"\\uDFFF":1}', 'half a surrogate pair'],
    [nested(MAX_DEPTH + 1), 'more than 8 levels'],
    [values(MAX_VALUES + 1), 'more than 100000 values'],
  ])('%.60s', (text, why) => expect(reason(text)).toBe(why))

  test('invalid UTF-8, wherever it stands', () => {
    for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
      const bytes = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bad), Buffer.from('"}')])
      expect(reason(bytes)).toBe('not UTF-8')
    }
  })
})

describe('taken', () => {
  test.each([
    nested(MAX_DEPTH),
    values(MAX_VALUES),
    '{"a":"[[[[[[[[[[{{{{{{{{{{,,,:::","b":"\\"[\\\\"}',
    '{"__proto__":1,"constructor":{"prototype":2}}',
    '{"a":"\\ud83d\\ude00","b":"\\\\ud800"}',
    '{"a":[],"b":{},"c":[{},[],{}]}',
    '{"1":1,"0":2,"":3}',
  ])('%.60s', text => expect(reason(text)).toBe(null))
})

const json = fc.jsonValue({ maxDepth: 5 })
const object = fc.dictionary(fc.string(), json)

test('whatever JSON.stringify writes of an object is taken as JSON.parse reads it', () => {
  fc.assert(
    fc.property(object, fc.constantFrom(undefined, 1, '\t'), (value, blanks) => {
      const text = JSON.stringify(value, null, blanks)
      const parsed = parse(text)
      if ('invalid' in parsed) expect(parsed.invalid).toMatch(/^(more than|half)/)
      else expect(parsed.request.fields).toEqual(JSON.parse(text))
    }),
  )
})

test('a key that stands twice anywhere is found, however it is spelt', () => {
  const escaped = (key: string) =>
    `"${[...Array(key.length).keys()].map(at => `\\u${key.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`
  fc.assert(
    fc.property(object, fc.string(), fc.boolean(), json, (before, key, deep, value) => {
      const members = Object.entries(before).map(
        ([name, item]) => `${JSON.stringify(name)}:${JSON.stringify(item)}`,
      )
      const twice = `{${[...members, `${JSON.stringify(key)}:1`, `${escaped(key)}:${JSON.stringify(value)}`].join(',')}}`
      expect(reason(deep ? `{"x":[${twice}]}` : twice)).not.toBe(null)
    }),
  )
})

test('any bytes are answered, and only JSON objects are taken', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      const parsed = parse(bytes)
      if ('request' in parsed) expect(JSON.parse(Buffer.from(bytes).toString())).toBeTypeOf('object')
    }),
  )
  const alphabet = fc.constantFrom(...'{}[]",:\\u0 1dDaé\n', 'true', 'null', '"a":')
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 60 }), parts => {
      const text = parts.join('')
      const parsed = parse(text)
      if ('request' in parsed) expect(parsed.request.fields).toEqual(JSON.parse(text))
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['brackets', '['.repeat(2 << 20)],
  ['opened objects', '{"a":'.repeat(400_000)],
  ['commas', `{"a":[${','.repeat(2 << 20)}]}`],
  ['keys', `{${Array.from({ length: 90_000 }, (_, n) => `"k${n}":0`).join(',')}}`],
  ['one key many times', `{${'"k":0,'.repeat(90_000)}"k":0}`],
  ['backslashes', `{"a":"${'\\\\'.repeat(1 << 20)}"}`],
  ['surrogates', `{"a":"${'\\ud83d\\ude00'.repeat(150_000)}"}`],
])('2 MiB of %s cost little', (_, text) => {
  const bytes = Buffer.from(text)
  parseRequest(bytes)
  const began = performance.now()
  parseRequest(bytes)
  expect(performance.now() - began).toBeLessThan(500)
})

describe('behind long runs, which are passed natively,', () => {
  const runs = fc.array(
    fc.tuple(
      fc.constantFrom('x', '\\n', '\\\\', '\\u0041', 'é', '\\"', ','),
      fc.integer({ min: 1, max: 400 }),
    ),
    { maxLength: 6 },
  )
  const text = runs.map(all => all.map(([piece, count]) => piece.repeat(count)).join(''))

  test('a text ends where JSON says', () => {
    fc.assert(
      fc.property(text, text, fc.nat(9e9), (a, b, number) => {
        const long = `${number}`.repeat(40).replace(/^0+/, '1')
        const json = `{"${a}":"${b}","n":${long}}`
        const parsed = parseRequest(Buffer.from(json))
        if (Object.keys(JSON.parse(json)).length === 2)
          expect(parsed).toMatchObject({ request: { fields: JSON.parse(json) } })
      }),
    )
  })

  test('a key that stands twice and half a surrogate pair are seen', () => {
    fc.assert(
      fc.property(text, a => {
        expect(parseRequest(Buffer.from(`{"${a}":1,"${a}":2}`))).toEqual({
          invalid: 'a key twice in one object',
        })
        expect(parseRequest(Buffer.from(`{"k":"${a}\\ud800"}`))).toEqual({ invalid: 'half a surrogate pair' })
        expect(parseRequest(Buffer.from(`{"k":"\\udc00${a}"}`))).toEqual({ invalid: 'half a surrogate pair' })
      }),
    )
  })
})
