import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../engine/running.ts'

export const clock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal }).catch(() => {})
  },
}
