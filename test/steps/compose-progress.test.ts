import { expect, test } from 'vitest'
import { newHold } from '../../src/engine/pause-probes.ts'
import { replacedAfter, upInSilence } from '../../src/steps/compose/progress.ts'
import type { CommandRequest, StepContext } from '../../src/steps/contract/step.ts'

const after = (...lines: string[]) => [
  ...lines.reduce(replacedAfter, new Set<string>() as ReadonlySet<string>),
]

test('a container is being replaced from what compose says first to what it says last of it', () => {
  // As Compose 2.26 and 2.40 write it.
  expect(after(' Container a-db-1  Recreate')).toEqual(['a-db-1'])
  expect(after(' Container a-db-1  Recreate', ' Container a-db-1  Recreated')).toEqual(['a-db-1'])
  expect(
    after(' Container a-db-1  Recreate', ' Container a-gw-1  Recreate', ' Container a-db-1  Started'),
  ).toEqual(['a-gw-1'])
  expect(after(' Container a-db-1  Recreate', 'noise', ' Container a-db-1  Error')).toEqual([])
  expect(after(' Network a_default  Creating', ' Container a-db-1 Recreate')).toEqual(['a-db-1'])
})

test('a container that is new or runs already is none that is replaced', () => {
  const states = ['Creating', 'Created', 'Starting', 'Started', 'Running', 'Waiting', 'Healthy']
  for (let count = 1; count <= states.length; count++)
    expect(after(...states.slice(0, count).map(state => ` Container a-db-1  ${state}`))).toEqual([])
})

/** An `up` that tells these lines, and a look at the hold behind each of them. */
async function heldBehind(lines: readonly string[], code = 0) {
  const hold = newHold()
  const seen: boolean[] = []
  const exec = async (request: CommandRequest) => {
    // `config`, which tells why an `up` has failed, says nothing.
    for (const line of request.argv.includes('up') ? lines : []) {
      request.onLine?.(line)
      seen.push(hold.seen().over !== null)
    }
    return { code, signal: null, stdout: '', stderr: '', truncated: false, durationMs: 1 }
  }
  const ctx = { exec, hold: hold.take } as unknown as StepContext
  const stack = { dir: '/srv/x', files: [], envFiles: [], profiles: [] }
  const end = await upInSilence(ctx, stack, ['up', '-d']).then(
    () => 'good',
    () => 'bad',
  )
  return { seen, end, left: hold.seen().over !== null }
}

test('the silence lasts from the first word of a replacement to the last, without a gap', async () => {
  const lines = ['Recreate', 'Recreated', 'Starting', 'Started'].map(state => ` Container a-gw-1  ${state}`)
  expect(await heldBehind(lines)).toEqual({ seen: [true, true, true, false], end: 'good', left: false })
})

test('an up that fails half-way leaves no silence behind', async () => {
  expect(await heldBehind([' Container a-gw-1  Recreate'], 1)).toEqual({
    seen: [true],
    end: 'bad',
    left: false,
  })
})

test('a hold of several ends with the last of them, and letting go twice lets go once', async () => {
  const hold = newHold()
  const [first, second] = [hold.take(), hold.take()]
  let over = false
  const waited = hold.seen().over?.then(() => {
    over = true
  })
  first()
  first()
  await Promise.resolve()
  expect(over).toBe(false)
  second()
  await waited
  expect(hold.seen()).toEqual({ times: 2, over: null })
})
