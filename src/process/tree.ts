/** Ends a process with everything that descends from it, and only that. */

import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { bootId } from './identity.ts'
import type { Leader, ProcessIdentity } from './known-process.ts'
import { forPlatform, IS_LINUX } from './platform.ts'
import { quietly } from './quietly.ts'
import { type ProcessStat, readProcessStat } from './stat.ts'
import { endWindowsTree, hasWindowsFollowers } from './tree-windows.ts'

export const KILL_AFTER_MS = 2000
const FIRST_LOOK_MS = 10
const LOOK_EVERY_MS = 100
/** A process forked while the others were killed is found by looking again, a few times. */
const KILL_ROUNDS = 5

/**
 * Ends it with everything that descends from it: `first` now, and KILL to what is left 2 s later. Windows knows only the
 * second. Resolves as soon as none of them is left.
 */
export const endTree = (leader: Leader, first: NodeJS.Signals): Promise<void> =>
  forPlatform({ posix: endPosixTree, windows: endWindowsTree })(leader, first)

/** Whether processes that it has left behind live, whatever became of itself. */
export const hasFollowers = (leader: ProcessIdentity): boolean =>
  forPlatform({ posix: hasPosixFollowers, windows: hasWindowsFollowers })(leader)

/**
 * Sends `first` to the leader's process group, its session and every descendant, and KILL to whatever of them is
 * left 2 s later, even when the leader itself ended at once. Resolves as soon as none of them is left.
 */
async function endPosixTree(leader: Leader, first: NodeJS.Signals): Promise<void> {
  const family = new Family(leader)
  family.signal(first)
  const deadline = Date.now() + (first === 'SIGKILL' ? 0 : KILL_AFTER_MS)
  for (let pause = FIRST_LOOK_MS; Date.now() < deadline; pause = Math.min(2 * pause, LOOK_EVERY_MS)) {
    await sleep(Math.max(1, Math.min(pause, deadline - Date.now())))
    if (leader.hasEnded() && !family.anyAlive()) return
  }
  for (let round = 0; round < KILL_ROUNDS && family.signal('SIGKILL') > 0; round++) await sleep(FIRST_LOOK_MS)
}

/** Whether processes of its group or session live. */
function hasPosixFollowers(leader: ProcessIdentity): boolean {
  if (leader.boot !== bootId()) return false
  const table = readProcessTable()
  const own = table?.get(leader.pid)
  // The kernel gives a number away only once no group and no session bears it any more.
  if (!table || (own && own.started !== leader.started)) return false
  return [...table].some(
    ([pid, { group, session, isDead }]) =>
      pid !== leader.pid && !isDead && (group === leader.pid || session === leader.pid),
  )
}

class Family {
  readonly #leader: Leader
  /** Members by pid with their start times: a number that was given to another process since is no member. */
  readonly #members = new Map<number, string>()

  constructor(leader: Leader) {
    this.#leader = leader
  }

  /** Answers how many processes got the signal. */
  signal(signal: NodeJS.Signals): number {
    const table = readProcessTable()
    if (table === null) return Number(send(-this.#leader.pid, signal))
    this.#admit(table)
    const group = this.#leader.pid
    // The group in one call first: what forks in between is then already told.
    const groupTold = !this.#leader.hasEnded() && send(-group, signal)
    let told = 0
    for (const pid of this.#members.keys()) {
      // Nobody is told twice: many programs, docker compose among them, take a second TERM for "at once".
      const isTold = groupTold && table.get(pid)?.group === group
      if (isTold || send(pid, signal)) told += 1
    }
    return told
  }

  anyAlive(): boolean {
    for (const [pid, started] of this.#members) {
      const stat = readProcessStat(pid)
      if (stat && !stat.isDead && stat.started === started) return true
      this.#members.delete(pid)
    }
    const table = readProcessTable()
    if (table === null) return send(-this.#leader.pid, 0)
    this.#admit(table)
    return this.#members.size > 0
  }

  #admit(table: Map<number, ProcessStat>): void {
    const { pid } = this.#leader
    // The kernel gives the number away only once no group and no session bears it any more.
    const gone = this.#leader.hasEnded() && table.has(pid)
    for (const [member, started] of this.#members) {
      if (table.get(member)?.started !== started) this.#members.delete(member)
    }
    const isOurs = (candidate: number, { parent, group, session }: ProcessStat) =>
      this.#members.has(parent) ||
      (!gone && (candidate === pid || parent === pid || session === pid || group === pid))
    for (let found = true; found; ) {
      found = false
      for (const [candidate, stat] of table) {
        if (stat.isDead || this.#members.has(candidate) || !isOurs(candidate, stat)) continue
        this.#members.set(candidate, stat.started)
        found = true
      }
    }
  }
}

/** False when nobody was there to be told. */
const send = (pid: number, signal: NodeJS.Signals | 0): boolean =>
  quietly(() => process.kill(pid, signal)) ?? false

/** Null where the platform has no /proc, or does not let us read it now (too many open files). */
function readProcessTable(): Map<number, ProcessStat> | null {
  if (!IS_LINUX) return null
  const names = quietly(() => readdirSync('/proc'))
  if (names === undefined) return null
  const table = new Map<number, ProcessStat>()
  for (const name of names) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? readProcessStat(pid) : null
    if (stat) table.set(pid, stat)
  }
  return table
}
