/** The git kinds on `up` and its clone `app`, with short names. */
import { cpSync } from 'node:fs'
import { afterAll, expect } from 'vitest'
import { Failed, type Failure } from '../../src/failure.ts'
import { gitCheckout } from '../../src/steps/git/checkout.ts'
import { gitDirtyCheck } from '../../src/steps/git/dirty-check.ts'
import { gitFetch } from '../../src/steps/git/fetch.ts'
import { type Scratch, scratch } from './git.ts'
import { type Rig, stepContext } from './step-context.ts'

export type Snapshot = Awaited<ReturnType<NonNullable<typeof gitCheckout.act.snapshot>>>
export type Checkout = ReturnType<typeof checkoutRig>

export function checkoutRig(s: Scratch = scratch()) {
  copyPair(s)
  let ctx: Rig = s.context()
  const repo = s.path('app')
  const input = (ref: string, more: object = {}) => gitCheckout.schema().parse({ repo, ref, ...more })
  return {
    s,
    get ctx() {
      return ctx
    },
    /** From now on the target has these variables as well. */
    environment(env: Record<string, string>) {
      ctx = stepContext({ env: { ...s.env, ...env } })
    },
    fetch: (more: object = {}) => gitFetch.act.run(ctx, gitFetch.schema().parse({ repo, ...more }), null),
    async snapshot(ref: string, more: object = {}): Promise<Snapshot> {
      return JSON.parse(JSON.stringify(await gitCheckout.act.snapshot!(ctx, input(ref, more))))
    },
    checkout: (ref: string, more: object = {}, before: Snapshot | null = null) =>
      gitCheckout.act.run(ctx, input(ref, more), before),
    restore: (ref: string, before: Snapshot, more: object = {}) =>
      gitCheckout.undo!.restore!(ctx, input(ref, more), before),
    verify: (ref: string, before: Snapshot) => gitCheckout.undo!.verify!(ctx, input(ref), before),
    check: (ref: string, more: object = {}) => gitCheckout.look!.check!(ctx, input(ref, more)),
    dirty: (more: object = {}) =>
      gitDirtyCheck.act.run(ctx, gitDirtyCheck.schema().parse({ repo, ...more }), null),
    head: () => s.git('app', 'rev-parse', 'HEAD'),
    /** `HEAD` when detached. */
    branch: () => s.git('app', 'rev-parse', '--symbolic-full-name', 'HEAD'),
  }
}

let pair: Scratch | null = null
afterAll(() => pair?.remove())

/** Made once for each test file and copied, because making it takes longer than most tests. */
function copyPair(s: Scratch): void {
  if (pair === null) {
    const made = scratch()
    made.init('up')
    made.clone('up', 'app')
    pair = made
  }
  for (const name of ['up', 'app']) cpSync(pair.path(name), s.path(name), { recursive: true })
  s.write('app/.git/config', s.read('app/.git/config').replaceAll(pair.root, s.root))
}

export async function failure(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Failed) return error.failure
    throw error
  }
  throw new Error('it did not fail')
}

export const fails = async (promise: Promise<unknown>, expected: object) =>
  expect(await failure(promise)).toMatchObject(expected)
