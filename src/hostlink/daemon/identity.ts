/** Names one process beyond doubt: pids are given out again, a pid with its start time in one boot is not. */
import { readFileSync } from 'node:fs'

export type ProcessIdentity = {
  readonly pid: number
  /** Clock ticks since boot; null where the platform has no /proc. */
  readonly started: string | null
  readonly boot: string | null
}

/** Null when there is no such process. */
export function identify(pid: number): ProcessIdentity | null {
  const boot = bootId()
  if (boot === null) return answersToSignals(pid) ? { pid, started: null, boot: null } : null
  const started = startTime(pid)
  return started === null ? null : { pid, started, boot }
}

/** Whether that very process runs still; a zombie does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  const present = identify(identity.pid)
  return present !== null && present.started === identity.started && present.boot === identity.boot
}

function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  } catch {
    return null
  }
}

function startTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in parentheses and may hold blanks and parentheses itself.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' || state === 'X' ? null : (rest[18] ?? null)
  } catch {
    return null
  }
}

function answersToSignals(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
