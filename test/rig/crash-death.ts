/** How somebody dies in the middle of a run, at an exact entry of its journal or at a moment. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import type { CrashWorld } from './crash.ts'
import type { Cell, Victim } from './crash-cell.ts'
import { type Ended, poll, type Started } from './hostops.ts'
import { kill, killAllOf } from './processes.ts'

/** What the client said at its end; null: it had ended before anybody could be killed. */
export async function dieIn(world: CrashWorld, cell: Cell): Promise<Ended | null> {
  const [how = '', at = ''] = cell.at.split(':')
  if (how === 'ms') return atMoment(world, cell, Number(at))
  if (cell.victim === 'runner') return byItself(world, cell)
  if (how !== 'after') throw new Error(`nobody can be killed at ${cell.at}`)
  const started = world.start(cell.version, `stop:${at}`)
  const hasStopped = () => existsSync(world.stoppedFile)
  await poll(() => hasStopped() || hasEnded(started))
  if (!hasStopped()) return null
  const runner = Number(readFileSync(world.stoppedFile, 'utf8'))
  rmSync(world.stoppedFile)
  world.calm()
  await strike(world, cell.victim, started)
  if (cell.victim === 'machine') await world.boot()
  // Some daemons are back before their clients have noticed anything.
  if (cell.victim === 'daemon' && Number(at) % 2 === 0) await world.host!.start()
  kill(runner, 'SIGCONT')
  return afterwards(world, started)
}

/** A daemon that nobody has started again yet is, now. */
async function afterwards(world: CrashWorld, started: Started): Promise<Ended> {
  const { host } = world
  // A run on the host is followed until its daemon is back.
  if (world.where === 'on-host' && !host!.lives()) await host!.start()
  const ended = await started.ended
  if (host !== null && !host.lives()) await host.start()
  return ended
}

async function byItself(world: CrashWorld, cell: Cell): Promise<Ended | null> {
  const ended = await world.upgrade(cell.version, cell.at)
  world.calm()
  if (world.where === 'on-host') return world.isOver() ? null : ended
  return ended.signal === 'SIGKILL' ? ended : null
}

async function atMoment(world: CrashWorld, cell: Cell, ms: number): Promise<Ended | null> {
  const started = world.start(cell.version)
  await new Promise(resolve => setTimeout(resolve, ms))
  if (hasEnded(started) || world.isOver()) return null
  if (!(await strike(world, cell.victim, started))) return null
  if (cell.victim === 'machine') await world.boot()
  return afterwards(world, started)
}

const hasEnded = ({ child }: Started) => child.exitCode !== null || child.signalCode !== null

/** False where there is nobody to kill yet. */
async function strike({ host, rig, where }: CrashWorld, victim: Victim, started: Started): Promise<boolean> {
  switch (victim) {
    case 'machine':
      await killAllOf(rig.folder)
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
      if (where === 'on-host' && !existsSync(`${host!.runFolder('r')}/run.json`)) return false
      kill(where === 'on-host' ? host!.runner('r') : started.child.pid!)
      return true
    }
  }
}
