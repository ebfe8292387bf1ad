import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { StepContext } from '../../src/steps/contract/step.ts'
import { measureDowntime } from '../../src/steps/health/downtime.ts'

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
  const { downtimeSeconds, downtime } = await measureDowntime(ctx, ended.signal, async () => {
    asked += 1
    expect(getEventListeners(ended.signal, 'abort').length).toBeLessThanOrEqual(1)
    if (asked === 40) ended.abort()
    return asked < 10 || asked > 13
  })
  // The 9th answer is the last good one, the 10th to 13th are bad, and asked for twice as often.
  expect(downtime).toEqual([{ from: at(4250), to: at(5375) }])
  expect(downtimeSeconds).toBe(1.1)
})

test('a gap that does not end has no end, and no sum', async () => {
  const { ctx, askedAt, now } = silent(Number.POSITIVE_INFINITY, 0)
  const ended = new AbortController()
  const seen = await measureDowntime(ctx, ended.signal, async () => {
    askedAt.push(now())
    if (askedAt.length === 4) ended.abort()
    return now() < 900
  })
  expect(askedAt).toEqual([0, 500, 1000, 1250, 1500])
  expect(seen).toEqual({ downtimeSeconds: null, downtime: [{ from: at(750), to: null }] })
})

const at = (ms: number) => new Date(ms).toISOString()

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
  const { downtime } = await measureDowntime(ctx, ended.signal, async () => {
    askedAt.push(now())
    if (now() > 1700) ended.abort()
    return now() !== 770
  })
  expect(askedAt.slice(0, 3)).toEqual([0, 770, 1020])
  // The silence counts, from where it was noticed.
  expect(downtime).toEqual([{ from: at(250), to: at(895) }])
})

test('a silence counts, even one that nobody met between two good answers', async () => {
  for (const [from, until] of [
    [400, 770],
    [100, 450],
  ] as const) {
    const { ctx, askedAt, now } = silent(from, until)
    const ended = new AbortController()
    const { downtimeSeconds } = await measureDowntime(ctx, ended.signal, async () => {
      askedAt.push(now())
      if (askedAt.length === 5) ended.abort()
      return true
    })
    expect(downtimeSeconds).toBe(until === 770 ? 0.5 : 0.3)
  }
})

test('the time of an answer is no pause: the next question comes half a second behind the last one', async () => {
  const { ctx, askedAt, now } = silent(Number.POSITIVE_INFINITY, 0)
  const ended = new AbortController()
  const answers = [100, 0, 300, 100, 900, 0]
  await measureDowntime(ctx, ended.signal, async () => {
    askedAt.push(now())
    if (askedAt.length === answers.length) ended.abort()
    await ctx.sleep(answers[askedAt.length - 1]!)
    return askedAt.length !== 3 && askedAt.length !== 4
  })
  // The third and the fourth answer are bad; one that takes long is not followed by the next question at once.
  expect(askedAt.slice(0, 6)).toEqual([0, 500, 1000, 1425, 1675, 2825])
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
