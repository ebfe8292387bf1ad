import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import type { Holder, Judgement, LockInput } from '../../src/engine/holder.ts'
import { localTransport } from '../../src/transport/local.ts'
import { play } from '../rig/engine.ts'

const transport = localTransport()
afterAll(() => transport.close())

const lockAs = (runId: string, judge: Judgement = 'alive', waitMs = 0): LockInput => ({
  holder: {
    runId,
    who: 'test@here',
    pid: process.pid,
    since: '2026-11-20T18:09:00Z',
    machine: 'm',
    boot: 'b',
    processStart: '1',
  } satisfies Holder,
  judge: () => judge,
  waitMs,
})

const newName = () => `checkout:/nowhere/${randomUUID()}`

/** A run that holds its lock until it is let go. */
async function holding(name: string, lock: LockInput, work: () => Promise<unknown>) {
  let others: Promise<unknown> = Promise.resolve()
  const end = await play({
    transport,
    lock,
    steps: [{ id: 'a', with: { name: 'x', to: '1', lock: name, waitMs: 60_000 } }],
    onEvent(event, running) {
      if (event.type !== 'step-started') return
      others = work().finally(() => running.control.interrupt('SIGTERM'))
    },
  })
  await others
  return end
}

describe('the lock on the target', () => {
  test('refuses a second run, names the first one, and is free again after it', async () => {
    const name = newName()
    const second = () =>
      play({
        transport,
        lock: lockAs('second'),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
    await holding(name, lockAs('first'), async () => {
      const { end, calls } = await second()
      expect(end).toMatchObject({ outcome: 'refused', failure: { code: 'lock-held', what: name } })
      expect(end.failure).toMatchObject({ holder: expect.stringContaining('run first (test@here') })
      expect(calls).toEqual([])
    })
    expect((await second()).end.outcome).toBe('succeeded')
  })

  test('is waited for as long as the caller says', async () => {
    const name = newName()
    let waiting: Promise<unknown> = Promise.resolve()
    await holding(name, lockAs('first'), async () => {
      waiting = play({
        transport,
        lock: lockAs('second', 'alive', 60_000),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      }).then(({ end }) => expect(end.outcome).toBe('succeeded'))
    })
    await waiting
  })

  test('of a holder that is proven dead: its unfinished run is named, never ignored', async () => {
    const name = newName()
    await holding(name, lockAs('first'), async () => {
      const { end } = await play({
        transport,
        lock: lockAs('second', 'interrupted'),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
      expect(end).toMatchObject({ outcome: 'refused', failure: { code: 'interrupted-run', runId: 'first' } })
    })
  })

  test('of a holder that is proven dead after it had finished is taken over', async () => {
    const name = newName()
    await holding(name, lockAs('first'), async () => {
      const { end } = await play({
        transport,
        lock: lockAs('second', 'finished'),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
      expect(end.outcome).toBe('succeeded')
    })
  })

  test('raced for by many has never two holders', async () => {
    const name = newName()
    let inside = 0
    let most = 0
    let won = 0
    const racer = async (n: number) => {
      const { end } = await play({
        transport,
        lock: lockAs(`racer-${n}`),
        steps: [{ id: 'a', with: { name: 'x', to: '1', lock: name, waitMs: 5 } }],
        onEvent(event) {
          if (event.type === 'step-started') most = Math.max(most, ++inside)
          if (event.type === 'step-finished') inside -= 1
        },
      })
      if (end.outcome === 'succeeded') won += 1
    }
    for (let round = 0; round < 25; round += 1) await Promise.all([1, 2, 3, 4].map(n => racer(round * 4 + n)))
    expect(most).toBe(1)
    expect(won).toBeGreaterThanOrEqual(25)
  })
})
