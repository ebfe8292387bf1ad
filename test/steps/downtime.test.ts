import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { measureDowntime } from '../../src/steps/health/downtime.ts'
import type { StepContext } from '../../src/steps/step.ts'

test('a long look listens for its end once, and tells the gap that it saw', async () => {
  const ended = new AbortController()
  let now = 0
  let asked = 0
  const ctx = {
    now: () => now,
    held: () => ({ times: 0, over: null }),
    sleep: async (ms: number) => {
      now += ms
    },
  } as unknown as StepContext
  const down = await measureDowntime(ctx, ended.signal, async () => {
    asked += 1
    expect(getEventListeners(ended.signal, 'abort').length).toBeLessThanOrEqual(1)
    if (asked === 40) ended.abort()
    return asked < 10 || asked > 13
  })
  // From the last good answer, the 9th, to the next one, the 14th: five pauses.
  expect(down).toBe(2.5)
})

/** What `upInSilence` holds while compose starts a container, with a clock that only sleeping moves. */
function silent(heldFrom: number, heldUntil: number) {
  let now = 0
  const isHeld = () => now >= heldFrom && now < heldUntil
  const askedAt: number[] = []
  const ctx = {
    now: () => now,
    sleep: (ms: number) => {
      // The end of the hold comes first.
      if (isHeld() && now + ms > heldUntil) return new Promise<void>(() => {})
      now += ms
      return Promise.resolve()
    },
    held: () => {
      const times = now < heldFrom ? 0 : 1
      if (!isHeld()) return { times, over: null }
      if (heldUntil === Number.POSITIVE_INFINITY) return { times, over: new Promise<void>(() => {}) }
      const over = Promise.resolve().then(() => {
        now = heldUntil
      })
      return { times, over }
    },
  } as unknown as StepContext
  return { ctx, askedAt, now: () => now }
}

test('nothing is asked while a container is being started, and at once when it has been', async () => {
  const { ctx, askedAt, now } = silent(400, 770)
  const ended = new AbortController()
  const down = await measureDowntime(ctx, ended.signal, async () => {
    askedAt.push(now())
    if (now() > 1700) ended.abort()
    return now() !== 770
  })
  expect(askedAt.slice(0, 3)).toEqual([0, 770, 1270])
  // From the question before the silence to the first good one behind it: the silence counts.
  expect(down).toBe(1.3)
})

test('a silence counts, even one that nobody met between two good answers', async () => {
  for (const [from, until] of [
    [400, 770],
    [100, 450],
  ] as const) {
    const { ctx, askedAt, now } = silent(from, until)
    const ended = new AbortController()
    const down = await measureDowntime(ctx, ended.signal, async () => {
      askedAt.push(now())
      if (askedAt.length === 5) ended.abort()
      return true
    })
    expect(down).toBe(until === 770 ? 0.8 : 0.5)
  }
})

test('a hold that is never let go is not waited for: a question comes every few seconds all the same', async () => {
  const { ctx, askedAt, now } = silent(100, Number.POSITIVE_INFINITY)
  const ended = new AbortController()
  await measureDowntime(ctx, ended.signal, async () => {
    askedAt.push(now())
    if (askedAt.length === 3) ended.abort()
    return true
  })
  expect(askedAt.slice(0, 3)).toEqual([0, 2500, 5000])
})
