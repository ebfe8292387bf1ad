/** Processes as /proc tells of them, and by signals alone where there is none. */
import { readFileSync } from 'node:fs'
import { answersToSignals, type Identities } from './known-process.ts'
import { quietly } from './quietly.ts'
import { readProcessStat } from './stat.ts'

let boot: string | null | undefined

/** Read once: nobody outlives it. Null where the platform has no /proc. */
function bootId(): string | null {
  if (boot === undefined)
    boot = quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()) ?? null
  return boot
}

export const posixIdentities: Identities = {
  bootId,
  identify(pid) {
    const now = bootId()
    if (now === null) return answersToSignals(pid) ? { pid, started: null, boot: null } : null
    const stat = readProcessStat(pid)
    return stat === null ? null : { pid, started: stat.started, boot: now }
  },
  isAlive({ pid, started, boot: of }) {
    if (of !== bootId()) return false
    if (of === null) return answersToSignals(pid)
    const stat = readProcessStat(pid)
    return stat !== null && stat.started === started && !stat.isDead
  },
  isThere({ pid, started, boot: of }) {
    if (of !== bootId()) return false
    return of === null ? answersToSignals(pid) : readProcessStat(pid)?.started === started
  },
  livesStill({ pid, started, boot: of = null }) {
    if (!(pid > 0)) return false
    const now = bootId()
    if (of !== null && now !== null && of !== now) return false
    const stat = readProcessStat(pid)
    // Of other users it may be hidden.
    if (stat === null) return answersToSignals(pid)
    return !stat.isDead && (started === null || stat.started === started)
  },
}
