/** Names one process beyond doubt: pids are given out again, a pid with its start time in one boot is not. */

import { readFileSync } from 'node:fs'
import { quietly } from './quietly.ts'
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

/** Whether nobody else can have its number yet: it runs, or nobody has asked about its end. */
export function isThere({ pid, started, boot: of }: ProcessIdentity): boolean {
  if (of !== bootId()) return false
  return of === null ? answersToSignals(pid) : readProcessStat(pid)?.started === started
}

/** As it stands in a file. */
type NotedProcess = { pid: number; started: string | null; boot?: string | null | undefined }

/** Of this one. */
export function noteSelf(): { pid: number; started: string | null; boot: string | null } {
  return identify(process.pid) ?? { pid: process.pid, started: null, boot: null }
}

/** What was not noted, by an older version or where nothing tells it, is not held against it. */
export function livesStill({ pid, started, boot: of = null }: NotedProcess): boolean {
  if (!(pid > 0)) return false
  const now = bootId()
  if (of !== null && now !== null && of !== now) return false
  const stat = readProcessStat(pid)
  // Of other users it may be hidden.
  if (stat === null) return answersToSignals(pid)
  return !stat.isDead && (started === null || stat.started === started)
}

let boot: string | null | undefined

/** Read once: nobody outlives it. Null where the platform has no /proc. */
export function bootId(): string | null {
  if (boot === undefined)
    boot = quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()) ?? null
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
