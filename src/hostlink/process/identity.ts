/** Names one process beyond doubt: pids are given out again, a pid with its start time in one boot is not. */
import { readFileSync } from 'node:fs'
import { readProcessStat } from './stat.ts'

export type ProcessIdentity = {
  readonly pid: number
  /** Clock ticks since boot; null where the platform has no /proc. */
  readonly started: string | null
  readonly boot: string | null
}

/** Null when there is no such process; a zombie still is one. */
export function identify(pid: number): ProcessIdentity | null {
  const now = bootId()
  if (now === null) return answersToSignals(pid) ? { pid, started: null, boot: null } : null
  const stat = readProcessStat(pid)
  return stat === null ? null : { pid, started: stat.started, boot: now }
}

/** Whether that very process runs still; a zombie does not. */
export function isAlive({ pid, started, boot: of }: ProcessIdentity): boolean {
  if (of !== bootId()) return false
  if (of === null) return answersToSignals(pid)
  const stat = readProcessStat(pid)
  return stat !== null && stat.started === started && !stat.isDead
}

let boot: string | null | undefined

/** Read once: nobody outlives it. Null where the platform has no /proc. */
export function bootId(): string | null {
  if (boot === undefined) {
    try {
      boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    } catch {
      boot = null
    }
  }
  return boot
}

function answersToSignals(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
