import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../engine/run-input.ts'

/** Not `performance.now()`: Node loads ten files of its own at the first use of that, and a short run waits for them. */
function sinceBoot(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

const origin = Date.now() - sinceBoot()

export const clock: Clock = {
  // Limits and durations must not jump when somebody sets the clock of the machine.
  now: () => Math.round(origin + sinceBoot()),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal }).catch(() => {})
  },
}
