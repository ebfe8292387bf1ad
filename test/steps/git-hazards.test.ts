/** Each row of the table of git's hazards, on real repositories. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Failed, type Failure } from '../../src/failure.ts'
import { gitCheckout } from '../../src/steps/git-checkout.ts'
import { gitFetch } from '../../src/steps/git-fetch.ts'
import { type Scratch, scratch } from '../rig/git.ts'
import type { Rig } from '../rig/step-context.ts'

let s: Scratch
let ctx: Rig
beforeEach(() => {
  s = scratch()
  ctx = s.context()
  s.init('up')
  s.clone('up', 'app')
})
afterEach(() => s.remove())

const fetch = (more: object = {}) =>
  gitFetch.run(ctx, gitFetch.schema.parse({ repo: s.path('app'), ...more }), null)
const input = (ref: string, more: object = {}) =>
  gitCheckout.schema.parse({ repo: s.path('app'), ref, ...more })
type Snapshot = Parameters<NonNullable<typeof gitCheckout.restore>>[2]
const snapshot = (ref: string, more: object = {}) =>
  gitCheckout.snapshot!(ctx, input(ref, more)).then(taken => JSON.parse(JSON.stringify(taken)) as Snapshot)
const checkout = (ref: string, more: object = {}, before: Snapshot | null = null) =>
  gitCheckout.run(ctx, input(ref, more), before)
const restore = (ref: string, before: Snapshot) => gitCheckout.restore!(ctx, input(ref), before)
const verify = (ref: string, before: Snapshot) => gitCheckout.verify!(ctx, input(ref), before)
const head = () => s.git('app', 'rev-parse', 'HEAD')
const branch = () => s.git('app', 'rev-parse', '--symbolic-full-name', 'HEAD')

async function failure(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Failed) return error.failure
    throw error
  }
  throw new Error('it did not fail')
}
const fails = async (promise: Promise<unknown>, expected: object) =>
  expect(await failure(promise)).toMatchObject(expected)

describe('a branch', () => {
  test('goes forward to what was fetched, and back', async () => {
    const one = head()
    const before = await snapshot('main')
    const two = s.commit('up', { 'app.txt': 'two\n' }, 'two')
    await fetch()
    const done = await checkout('main', {}, before)
    expect(done).toMatchObject({
      changed: true,
      outputs: { sha: two, branch: 'main', beforeSha: one, commits: 1 },
      facts: {
        beforeSha: one,
        beforeBranch: 'main',
        afterSha: two,
        afterBranch: 'main',
        requestedRef: 'main',
      },
    })
    expect([head(), branch(), s.read('app/app.txt')]).toEqual([two, 'refs/heads/main', 'two\n'])
    await fails(verify('main', before), { code: 'head-differs', expected: one, actual: two })
    expect(await restore('main', before)).toMatchObject({ changed: true })
    expect([head(), branch(), s.read('app/app.txt')]).toEqual([one, 'refs/heads/main', 'one\n'])
    expect(await restore('main', before)).toMatchObject({ changed: false })
    await verify('main', before)
  })
  test('that is there already changes nothing', async () => {
    await fetch()
    expect(await checkout('main')).toMatchObject({ changed: false, outputs: { commits: 0 } })
  })
})
