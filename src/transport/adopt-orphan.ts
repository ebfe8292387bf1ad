/** Commands that outlived the runner which started them: their end is waited for, or brought about. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobInfo } from '../jobs/job-info.ts'
import { isAlive, isThere, type ProcessIdentity } from '../process/identity.ts'
import { endTree, hasFollowers } from '../process/tree.ts'
import type { Overtaking } from './transport.ts'

type Overtaken = 'ended' | 'running' | 'unknown'

const LOOK_MS = 50
const TERM_AGAIN_MS = 1000
const LEFT_BEHIND_MS = 3000
/** What TERM, two seconds and KILL take, and a supervisor that has yet to write down the end. */
const END_MS = 15_000

/** On this machine. Another boot, or another process under that number, means that it has ended. */
export async function overtakeProcess(process: ProcessIdentity, options: Overtaking): Promise<Overtaken> {
  const hasEnded = async () => !isAlive(process)
  const isOver = async () => !isAlive(process) && !(options.leftBehind && hasFollowers(process))
  if (await isOver()) return 'ended'
  options.onWaiting()
  if (!options.end) {
    const inTime = await until(hasEnded, options, options.timeoutMs)
    // Its limit was for itself; who comes behind it has a moment.
    if (inTime && (await until(isOver, options, LEFT_BEHIND_MS))) return 'ended'
  }
  if (options.signal.aborted) return 'running'
  await endTree({ pid: process.pid, hasEnded: () => !isThere(process) }, 'SIGTERM')
  return (await isOver()) ? 'ended' : 'running'
}

/** A job has its own limit, and somebody who looks after it. */
export async function overtakeJob(
  info: () => Promise<JobInfo | null>,
  cancel: () => Promise<unknown>,
  options: Overtaking,
): Promise<Overtaken> {
  const first = await info()
  if (first === null) return 'unknown'
  if (first.done) return 'ended'
  options.onWaiting()
  const ended = async () => (await info())?.done === true
  if (options.end) await cancel()
  return (await until(ended, options, options.end ? END_MS : options.timeoutMs + END_MS))
    ? 'ended'
    : 'running'
}

/** Under a start-once key of a daemon: only ending it tells whether it runs. */
export async function overtakeKey(
  end: () => Promise<boolean | null>,
  options: Overtaking,
): Promise<Overtaken> {
  if (!options.end) return 'unknown'
  const first = await end()
  if (first === null) return 'unknown'
  if (!first) return 'ended'
  options.onWaiting()
  // Seldom: many programs take a second TERM for "at once".
  const gone = async () => {
    await sleep(TERM_AGAIN_MS, undefined, { signal: options.signal }).catch(() => {})
    return (await end()) === false
  }
  return (await until(gone, options, END_MS)) ? 'ended' : 'running'
}

async function until(
  holds: () => Promise<boolean>,
  { signal }: Overtaking,
  limitMs: number,
): Promise<boolean> {
  for (const limit = performance.now() + limitMs; !signal.aborted; ) {
    if (await holds()) return true
    if (performance.now() >= limit) return false
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {})
  }
  return false
}
