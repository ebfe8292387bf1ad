/** The part of the schema that a playbook needs says the same as the whole of it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type * as z from 'zod'
import { playbookSchema, playbookSchemaFor } from '../../src/playbook/playbook-schema.ts'

const SHORT = ['effect', 'shell']

const good = {
  hostops: 1,
  name: 'a',
  description: 'b',
  inputs: { a: { type: 'integer', optional: true, default: 1, oneOf: [1, 2] } },
  env: ['HOME'],
  defaults: { repo: '/a' },
  target: 'local',
  onFailure: 'stop',
  timeout: '1m',
  rollbackTimeout: '1m',
  steps: [
    { uses: 'git.fetch', with: {}, id: 'a', name: 'b', when: 'true', timeout: '3s', retry: { attempts: 2 } },
    { run: ['a'], effect: 'read', continueOnError: true, env: { A: 'b' }, cwd: '/' },
    { script: 'a', shell: 'sh' },
  ],
}

/** Each place of the value, once: taken away, or holding something else. */
const places: (readonly (string | number)[])[] = []
const walk = (value: unknown, path: readonly (string | number)[]): void => {
  if (path.length > 0) places.push(path)
  if (typeof value !== 'object' || value === null) return
  for (const [key, each] of Object.entries(value))
    walk(each, [...path, Array.isArray(value) ? Number(key) : key])
}
walk(good, [])

const other = fc.oneof(
  fc.constantFrom(
    undefined,
    null,
    true,
    0,
    7,
    '',
    'x',
    '1m',
    'read',
    [],
    {},
    ['a'],
    { type: 'no' },
    [{}],
    'a\nb',
  ),
  fc.constant(Symbol('an expression')),
  fc.jsonValue(),
)

test('whatever is taken away, added or made something else', () => {
  const change = fc.record({
    path: fc.constantFrom(...places),
    key: fc.constantFrom('', 'effect', 'zzz'),
    other,
  })
  let accepted = 0
  fc.assert(
    fc.property(fc.array(change, { maxLength: 3 }), changes => {
      const value = structuredClone(good)
      for (const each of changes) apply(value, each)
      const whole = playbookSchema(SHORT).safeParse(value)
      accepted += Number(whole.success)
      const part = playbookSchemaFor(value, () => SHORT).safeParse(value)
      expect(inOrder(part)).toEqual(inOrder(whole))
    }),
    { numRuns: 400 },
  )
  expect(accepted).toBeGreaterThan(20)
})

test.each(places.map(path => [path.join('.'), path] as const))('without %s', (_, path) => {
  const value = structuredClone(good)
  apply(value, { path, key: '', other: undefined })
  const part = playbookSchemaFor(value, () => SHORT).safeParse(value)
  expect(inOrder(part)).toEqual(inOrder(playbookSchema(SHORT).safeParse(value)))
})

test('what is no map', () => {
  for (const value of [null, [], 'a', undefined, { steps: 1 }, { inputs: [] }])
    expect(playbookSchemaFor(value, () => SHORT).safeParse(value).success).toBe(false)
})

/** Fields that are there stand before those that are missed, in either; which comes first says nothing. */
const inOrder = ({ error }: { error?: z.ZodError | undefined }) =>
  error?.issues
    .map(issue => JSON.stringify(issue, (_, each) => (typeof each === 'symbol' ? 'symbol' : each)))
    .sort()

function apply(value: unknown, change: { path: readonly (string | number)[]; key: string; other: unknown }) {
  let at = value as Record<string | number, unknown>
  for (const part of change.path.slice(0, -1)) {
    const next = at[part]
    if (typeof next !== 'object' || next === null) return
    at = next as typeof at
  }
  const last = change.path.at(-1)!
  const there = at[last]
  if (change.key !== '' && typeof there === 'object' && there !== null)
    (there as Record<string, unknown>)[change.key] = change.other
  else if (change.other === undefined) delete at[last]
  else at[last] = change.other
}
