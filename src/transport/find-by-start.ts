/**
 * A command that was about to be started when its runner died: nobody noted its process. It is found by what it was
 * called with and by the moment, which the kernel knows of every process.
 */
import { createHash } from 'node:crypto'
import { openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { bootId, isAlive, type ProcessIdentity } from '../process/identity.ts'
import { readProcessStat } from '../process/stat.ts'
import type { Announced } from './transport.ts'

/** The kernel counts the start of a process in these, on every platform that has /proc. */
const TICKS_PER_SECOND = 100
/** From the announcement to the process; a runner that lived longer has noted it. */
const LATEST_TICKS = 200
const EARLIEST_TICKS = 5
/** An interpreter, its option and the script stand in front of the words of a script. */
const MOST_IN_FRONT = 3

export type Announcer = (argv: readonly string[]) => Announced | null

/** Made at the beginning, when it can be seen best how the clocks differ. It tells null where nobody could find it again. */
export function announcer(): Announcer {
  const boot = bootId()
  const uptime = uptimeReader()
  const ahead = readAhead(uptime())
  return argv => {
    // Read each time: every clock that is cheaper stands still while the machine is suspended.
    const up = uptime()
    if (ahead === null || up === null || boot === null) return null
    return { kind: 'announced', argv: hashOf(argv), at: up + ahead, boot }
  }
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

/**
 * What the kernel's count is ahead of /proc/uptime, which in some containers tells the time since the container began;
 * by the start of this very process, whose age is known. Null where there is no /proc.
 */
function readAhead(up: number | null): number | null {
  const own = readProcessStat(process.pid)
  if (own === null || up === null) return null
  const ahead = Number(own.started) + ticks(process.uptime()) - up
  return Math.abs(ahead) < TICKS_PER_SECOND ? 0 : ahead
}

/** Its reader, which keeps the file open, since opening it costs more than reading. */
function uptimeReader(): () => number | null {
  let descriptor: number
  try {
    descriptor = openSync('/proc/uptime', 'r')
  } catch {
    return () => null
  }
  const text = Buffer.alloc(64)
  return () => {
    try {
      return ticks(
        Number.parseFloat(text.toString('latin1', 0, readSync(descriptor, text, 0, text.length, 0))),
      )
    } catch {
      return null
    }
  }
}

const ticks = (seconds: number) => Math.round(seconds * TICKS_PER_SECOND)
