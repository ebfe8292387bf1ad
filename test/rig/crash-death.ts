/** How somebody dies in the middle of a run, at an exact entry of its journal or at a moment. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Where } from './crash.ts'
import type { Cell, Victim } from './crash-cell.ts'
import type { HostRig } from './host.ts'
import { type Ended, poll, type Started } from './hostops.ts'
import { isRunning, isStopped } from './observe.ts'
import { kill, killAllOf } from './processes.ts'

/** A run that has not begun, and whoever can die in it. */
export type Mortal<V extends string> = {
  readonly where: Where
  readonly host: HostRig | null
  /** All processes of the run can be told by its name. */
  readonly folder: string
  readonly runFolder: string
  /** Where a runner that has stopped leaves its pid. */
  readonly stoppedFile: string
  start(version: V, die?: string): Started
  isOver(): boolean
  /** Nobody dies any more where an earlier runner did. */
  calm(): void
  /** The machine starts again. */
  boot(): Promise<void>
}

/** What the client said at its end; null: it had ended before anybody could be killed. */
export async function dieIn<V extends string>(world: Mortal<V>, cell: Cell<V>): Promise<Ended | null> {
  const [how = '', at = ''] = cell.at.split(':')
  if (how === 'ms') return atMoment(world, cell, Number(at))
  if (cell.victim === 'runner') return byItself(world, cell)
  if (how !== 'after') throw new Error(`nobody can be killed at ${cell.at}`)
  const started = world.start(cell.version, `stop:${at}`)
  const runner = await stoppedRunner(world, started)
  if (runner === null) return null
  world.calm()
  await strike(world, cell.victim, started)
  if (cell.victim === 'machine') await world.boot()
  // Some daemons are back before their clients have noticed anything.
  if (cell.victim === 'daemon' && Number(at) % 2 === 0) await world.host!.start()
  kill(runner, 'SIGCONT')
  return afterwards(world, started)
}

/** Its pid, once it stands still; null when it has ended before it came to that. */
export async function stoppedRunner(
  { stoppedFile }: Pick<Mortal<never>, 'stoppedFile'>,
  started: Started,
): Promise<number | null> {
  const isThere = () => existsSync(stoppedFile)
  await poll(() => isThere() || hasEnded(started))
  if (!isThere()) return null
  const runner = Number(readFileSync(stoppedFile, 'utf8'))
  rmSync(stoppedFile)
  await poll(() => isStopped(runner) || !isRunning(runner))
  return runner
}

/** A daemon that nobody has started again yet is, now. */
async function afterwards(world: Mortal<never>, started: Started): Promise<Ended> {
  const { host } = world
  // A run on the host is followed until its daemon is back.
  if (world.where === 'on-host' && !host!.lives()) await host!.start()
  const ended = await started.ended
  if (host !== null && !host.lives()) await host.start()
  return ended
}

async function byItself<V extends string>(world: Mortal<V>, cell: Cell<V>): Promise<Ended | null> {
  const ended = await world.start(cell.version, cell.at).ended
  world.calm()
  if (world.where === 'on-host') return world.isOver() ? null : ended
  return ended.signal === 'SIGKILL' ? ended : null
}

async function atMoment<V extends string>(
  world: Mortal<V>,
  cell: Cell<V>,
  ms: number,
): Promise<Ended | null> {
  const started = world.start(cell.version)
  await new Promise(resolve => setTimeout(resolve, ms))
  if (hasEnded(started) || world.isOver()) return null
  if (!(await strike(world, cell.victim, started))) return null
  if (cell.victim === 'machine') await world.boot()
  return afterwards(world, started)
}

const hasEnded = ({ child }: Started) => child.exitCode !== null || child.signalCode !== null

/** False where there is nobody to kill yet. */
async function strike(
  { host, folder, runFolder, where }: Mortal<never>,
  victim: Victim,
  started: Started,
): Promise<boolean> {
  switch (victim) {
    case 'machine':
      await killAllOf(folder)
      await host?.kill()
      return true
    case 'daemon':
      await host!.kill()
      return true
    case 'client':
      started.child.kill('SIGKILL')
      await started.ended
      return true
    case 'runner': {
      if (where === 'on-host' && !existsSync(join(runFolder, 'run.json'))) return false
      kill(where === 'on-host' ? runnerOf(runFolder) : started.child.pid!)
      return true
    }
  }
}

const runnerOf = (runFolder: string): number =>
  JSON.parse(readFileSync(join(runFolder, 'run.json'), 'utf8')).pid
