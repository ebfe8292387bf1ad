/** Slows those who guess tokens, and nobody else. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../config/log.ts'

const WINDOW_MS = 60_000
const FIRST_DELAY_MS = 200
const STEP_MS = 100
const LONGEST_DELAY_MS = 2000
/** Failures that are logged one by one in each window; a flood is summed up. */
const LOGGED_EACH = 20

type Guard = {
  /** Logs the failure; resolves when it may be answered. True: this one is worth an audit line of its own. */
  failed(peer: string): { isLogged: boolean; mayAnswer: Promise<void> }
}

export function createGuard(log: Log, now: () => number = Date.now): Guard {
  let windowBegan = now()
  let recent = 0
  let before = 0
  const turn = () => {
    const windows = Math.floor((now() - windowBegan) / WINDOW_MS)
    if (windows === 0) return
    if (recent > LOGGED_EACH) log.warn(`authentication failed ${recent - LOGGED_EACH} more times`)
    before = windows === 1 ? recent : 0
    recent = 0
    windowBegan = now()
  }
  return {
    failed: peer => {
      turn()
      const delay = Math.min(FIRST_DELAY_MS + STEP_MS * Math.max(recent, before), LONGEST_DELAY_MS)
      recent += 1
      const isLogged = recent <= LOGGED_EACH
      if (isLogged) log.warn(`authentication failed: ${peer}`)
      return { isLogged, mayAnswer: sleep(delay, undefined, { ref: false }) }
    },
  }
}
