/** What a refusal says holds no value of its owner's variables. */
import { expect, test } from 'vitest'
import { maskValues, valuesIn } from '../../../src/steps/compose/guard/mask.ts'
import { power } from '../../../src/steps/stack/power.ts'

test.each([
  ['TOKEN=abcdefgh12', ['abcdefgh12']],
  ['export TOKEN: "abc defgh,12" # mine', ['"abc defgh,12"', 'abc defgh,12']],
  ["A='abcdefgh'", ["'abcdefgh'", 'abcdefgh']],
  ['DIR=/srv/openclaw', []],
  ['PORT=18789', []],
  ['# nothing', []],
])('%s', (line, values) => {
  expect([...new Set(valuesIn(`X=1\n${line}\n`, /./))]).toEqual(values)
})

test('only what may be a secret is taken from the environment', () => {
  expect(valuesIn('LANG=something-long\nMY_TOKEN=another-long', /TOKEN/)).toEqual(['another-long'])
})

test('they are in neither words nor key, the longer ones first', () => {
  const long = power('gw', 'cap_add', 'gw would have the capability abc, defgh12', 'abc, defgh12')
  const seen = maskValues(long, ['abc, defgh', 'abc, defgh12'])
  expect(seen).toEqual({ key: 'gw:cap_add=***', words: 'gw would have the capability ***' })
})

test('a text that is too long is left out, not cut', () => {
  const long = power('gw', 'pid', `gw would use ${'x'.repeat(390)}secret-word`, 'x'.repeat(500))
  expect(long.words).toBe('gw would set pid to something long')
  expect(long.key).toMatch(/^gw:pid=sha256\.[0-9a-f]{16}$/)
})

test.each([
  ['TOKEN="a\\"quoted\\$one"', 'a"quoted$one'],
  ['TOKEN=a-doubled$$dollar', 'a-doubled$dollar'],
  ['TOKEN="of more\nthan one line"', 'of more\nthan one line'],
  ["TOKEN='of more\nthan one line' # with words", 'of more\nthan one line'],
])('%j is known as Compose reads it', (text, value) => {
  expect(valuesIn(text, /./)).toContain(value)
})
