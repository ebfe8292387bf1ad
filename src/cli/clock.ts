import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../engine/running.ts'

export const clock: Clock = {
  // Limits and durations must not jump when somebody sets the clock of the machine.
  now: () => Math.round(performance.timeOrigin + performance.now()),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal }).catch(() => {})
  },
}
