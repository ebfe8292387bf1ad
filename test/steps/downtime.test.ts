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
