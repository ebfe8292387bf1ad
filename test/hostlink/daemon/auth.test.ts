/** How long a wrong token waits for its answer: never less than said here. Not more is nobody's promise. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Log } from '../../../src/hostlink/daemon/config/log.ts'
import { createGuard } from '../../../src/hostlink/daemon/peers/auth.ts'

/** Timers count whole milliseconds from the beginning of the loop's turn. */
const ROUNDING_MS = 2

function guardAt(clock: { now: number }) {
  const lines: string[] = []
  const write = (text: string) => void lines.push(text)
  const log: Log = { error: write, warn: write, info: write, debug: write }
  return { guard: createGuard(log, () => clock.now), lines }
}

async function waited(mayAnswer: Promise<void>): Promise<number> {
  const began = performance.now()
  // The guard's own timer keeps nothing alive.
  const alive = setInterval(() => {}, 1000)
  await mayAnswer
  clearInterval(alive)
  return performance.now() - began + ROUNDING_MS
}

test('the first wrong token waits 200 ms, each further one 100 ms more, up to 2 s', async () => {
  const { guard } = guardAt({ now: 0 })
  const times = await Promise.all(Array.from({ length: 25 }, () => waited(guard.failed('unix').mayAnswer)))
  for (const [index, time] of times.entries()) {
    expect(time).toBeGreaterThanOrEqual(Math.min(200 + 100 * index, 2000))
  }
})

test('those who begin to guess again soon wait on, and after two quiet minutes as at first', async () => {
  const clock = { now: 0 }
  const { guard } = guardAt(clock)
  for (let count = 0; count < 10; count += 1) guard.failed('unix')
  clock.now = 61_000
  expect(await waited(guard.failed('unix').mayAnswer)).toBeGreaterThanOrEqual(1200)
  clock.now = 200_000
  const { mayAnswer } = guard.failed('unix')
  // Timers of one process end in the order of their time, however slow the machine is.
  const first = await Promise.race([mayAnswer.then(() => 'answered'), sleep(1000, 'still waiting')])
  expect(first).toBe('answered')
})

test('twenty failures are logged one by one, a flood is summed up a minute later', () => {
  const clock = { now: 0 }
  const { guard, lines } = guardAt(clock)
  const logged = Array.from({ length: 50 }, () => guard.failed('unix').isLogged)
  expect(logged.filter(Boolean)).toHaveLength(20)
  clock.now = 61_000
  guard.failed('tcp:1.2.3.4:5')
  expect(lines.slice(20)).toEqual([
    'authentication failed 30 more times',
    'authentication failed: tcp:1.2.3.4:5',
  ])
})
