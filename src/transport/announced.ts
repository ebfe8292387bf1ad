/**
 * A command that was about to be started when its runner died: nobody noted its process. It is found by what it was
 * called with and by the moment, which the kernel knows of every process.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { bootId, isAlive, type ProcessIdentity } from '../hostlink/process/identity.ts'
import { readProcessStat } from '../hostlink/process/stat.ts'
import type { Announced } from './transport.ts'

/** The kernel counts the start of a process in these, on every platform that has /proc. */
const TICKS_PER_SECOND = 100
/** From the announcement to the process; a runner that lived longer has noted it. */
const LATEST_TICKS = 200
const EARLIEST_TICKS = 5
/** An interpreter, its option and the script stand in front of the words of a script. */
const MOST_IN_FRONT = 3

let bootedAt: number | null | undefined

/** Null where nobody could find it again. */
export function announce(argv: readonly string[]): Announced | null {
  bootedAt ??= readBootedAt()
  const boot = bootId()
  if (bootedAt === null || boot === null) return null
  return { kind: 'announced', argv: hashOf(argv), at: ticks(performance.now() - bootedAt), boot }
}

export function findAnnounced({ argv, at, boot }: Announced): ProcessIdentity | null {
  if (bootId() !== boot) return null
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    const stat = readProcessStat(pid)
    // Each command leads a session of its own.
    if (stat === null || stat.isDead || stat.session !== pid) continue
    const late = Number(stat.started) - at
    if (late < -EARLIEST_TICKS || late > LATEST_TICKS || !isCalled(pid, argv)) continue
    const found = { pid, started: stat.started, boot }
    if (isAlive(found)) return found
  }
  return null
}

function isCalled(pid: number, argv: string): boolean {
  const words = commandLine(pid)
  for (let front = 0; front <= MOST_IN_FRONT && front < words.length; front += 1) {
    if (hashOf(words.slice(front)) === argv) return true
  }
  return false
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    return []
  }
}

/** The program may stand there under another path: what it was called with counts. */
const hashOf = ([program = '', ...rest]: readonly string[]): string =>
  createHash('sha256')
    .update(JSON.stringify([program.split('/').at(-1), ...rest]))
    .digest('hex')
    .slice(0, 20)

/** On this process's own clock; read once, because each look at /proc costs as much as writing a line. */
function readBootedAt(): number | null {
  try {
    const [seconds = ''] = readFileSync('/proc/uptime', 'latin1').split(' ')
    return performance.now() - Number(seconds) * 1000
  } catch {
    return null
  }
}

const ticks = (ms: number) => Math.round((ms / 1000) * TICKS_PER_SECOND)
