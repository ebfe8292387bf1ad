/** What a check says of a version that keeps its state in another form. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Checkout, checkoutRig } from '../rig/checkout.ts'

const migrates = { file: 'package.json', json: '$.openclaw.schemaVersions', hint: 'give statePath' }
const of = (versions: unknown) =>
  JSON.stringify({ name: 'openclaw', openclaw: versions === undefined ? {} : { schemaVersions: versions } })

let r: Checkout
let before: string
beforeEach(() => {
  r = checkoutRig()
})
afterEach(() => r.s.remove())

/** The checkout is on `from`, and `to` is published and not fetched yet. */
function release(from: string | null, to: string): void {
  if (from !== null) {
    r.s.commit('up', { 'package.json': from }, 'from')
    r.s.git('app', 'pull', '-q')
  }
  r.s.commit('up', { 'package.json': to }, 'to')
  before = r.s.git('app', 'count-objects', '-v')
}

test.each<[string, string | null, string, string | null]>([
  [
    'another version of the state',
    of({ state: 17 }),
    of({ state: 18 }),
    'package.json $.openclaw.schemaVersions {"state":17} -> {"state":18}: the new version migrates its state; give statePath',
  ],
  [
    'the first version that tells it',
    of(undefined),
    of({ state: 18 }),
    'package.json $.openclaw.schemaVersions none -> {"state":18}: the new version migrates its state; give statePath',
  ],
  [
    'a new file',
    null,
    of([1]),
    'package.json $.openclaw.schemaVersions none -> [1]: the new version migrates its state; give statePath',
  ],
  [
    'the same version',
    of({ state: 18 }),
    `${of({ state: 18 })}\n`,
    'package.json $.openclaw.schemaVersions stays the same: no migration of the state',
  ],
  ['no version at all', of(undefined), '{}', null],
  ['what is not JSON', 'none', 'none either', null],
])('%s', async (_what, from, to, wanted) => {
  release(from, to)
  const [first, second] = await r.check('main', { migrates })
  expect(first).toMatchObject({ text: expect.stringContaining('HEAD main') })
  expect(second?.text ?? null).toBe(wanted)
  // Nothing of it got into the checkout.
  expect(r.s.git('app', 'count-objects', '-v')).toBe(before)
})

test('it moves the plan, and says nothing where it is not asked for', async () => {
  release(of({ state: 17 }), of({ state: 18 }))
  const [, second] = await r.check('main', { migrates })
  expect(second!.seen).toEqual({ migrates: { before: { state: 17 }, after: { state: 18 } } })
  expect(await r.check('main')).toHaveLength(1)
})
