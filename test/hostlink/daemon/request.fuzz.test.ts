import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_DEPTH, parseRequest } from '../../../src/hostlink/daemon/peers/request.ts'

const RUNS = { numRuns: 3000, seed: 20261120 }

/** JSON as it was written: objects are lists, so that a key can stand twice, and strings carry their escapes. */
type Written =
  | { kind: 'literal'; text: string }
  | { kind: 'text'; value: string; escaped: boolean }
  | { kind: 'array'; items: Written[] }
  | { kind: 'object'; entries: { key: string; escaped: boolean; value: Written }[] }

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'token', '__proto__', '', '0', '{', '"', '\\', ':'),
  fc.string(),
)
const { written } = fc.letrec<{ written: Written }>(tie => ({
  written: fc.oneof(
    { maxDepth: 5, depthSize: 'small' },
    fc.record({
      kind: fc.constant('literal' as const),
      text: fc.constantFrom('null', 'true', 'false', '0', '-1.5e3', '12'),
    }),
    fc.record({ kind: fc.constant('text' as const), value: key, escaped: fc.boolean() }),
    fc.record({ kind: fc.constant('array' as const), items: fc.array(tie('written'), { maxLength: 4 }) }),
    fc.record({
      kind: fc.constant('object' as const),
      entries: fc.array(fc.record({ key, escaped: fc.boolean(), value: tie('written') }), { maxLength: 5 }),
    }),
  ),
}))

test('any bytes are a request or invalid', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary', maxLength: 100 }).map(text => Buffer.from(text)),
    fc.array(fc.constantFrom(...'{}[]":,\\u0d8 1ae-.\n')).map(parts => Buffer.from(parts.join(''))),
  )
  fc.assert(
    fc.property(bytes, payload => {
      const parsed = parseRequest(Buffer.from(payload))
      if ('invalid' in parsed) expect(parsed.invalid).not.toBe('')
      else expect(typeof parsed.request.type).toBe('string')
    }),
    RUNS,
  )
})

test('an object is a request exactly when no key stands twice and it is not too deep', () => {
  fc.assert(
    fc.property(written, fc.constantFrom('', ' ', '\n\t'), (value, blank) => {
      const parsed = parseRequest(Buffer.from(print(value, blank)))
      const isRight = value.kind === 'object' && !hasTwice(value) && depth(value) <= MAX_DEPTH
      expect('request' in parsed).toBe(isRight)
    }),
    RUNS,
  )
})

test('a request that was cut anywhere is invalid', () => {
  const text = JSON.stringify({ version: 1, type: 'exec', env: { é: '\u0000"\\' }, argv: ['a', []], n: -1.5 })
  const bytes = Buffer.from(text)
  expect('request' in parseRequest(bytes)).toBe(true)
  for (let cut = 0; cut < bytes.length; cut++) {
    expect('invalid' in parseRequest(bytes.subarray(0, cut)), `cut at ${cut}`).toBe(true)
  }
})

test('the envelope holds only what was sent, whatever the keys are called', () => {
  const { request } = parseRequest(Buffer.from('{"__proto__":{"token":"x","type":"exec","id":"i"}}')) as {
    request: { type: string; id: string; token: string | null }
  }
  expect(request).toMatchObject({ type: '', id: '', token: null })
})

function print(value: Written, blank: string): string {
  switch (value.kind) {
    case 'literal':
      return value.text
    case 'text':
      return quote(value.value, value.escaped)
    case 'array':
      return `[${blank}${value.items.map(item => print(item, blank)).join(`${blank},${blank}`)}]`
    case 'object': {
      const entries = value.entries.map(
        entry => `${quote(entry.key, entry.escaped)}${blank}:${blank}${print(entry.value, blank)}`,
      )
      return `{${blank}${entries.join(`,${blank}`)}${blank}}`
    }
  }
}

function quote(text: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(text)
  const units = Array.from({ length: text.length }, (_, at) =>
    text.charCodeAt(at).toString(16).padStart(4, '0'),
  )
  return `"${units.map(unit => `\\u${unit}`).join('')}"`
}

function hasTwice(value: Written): boolean {
  if (value.kind === 'array') return value.items.some(hasTwice)
  if (value.kind !== 'object') return false
  const keys = value.entries.map(entry => entry.key)
  return new Set(keys).size < keys.length || value.entries.some(entry => hasTwice(entry.value))
}

function depth(value: Written): number {
  if (value.kind === 'array') return 1 + Math.max(0, ...value.items.map(depth))
  if (value.kind === 'object') return 1 + Math.max(0, ...value.entries.map(entry => depth(entry.value)))
  return 0
}
