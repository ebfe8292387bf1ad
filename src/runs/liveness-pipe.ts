/** The pipe by which others know that a runner lives whose process they cannot see: one in a container. */
import { spawnSync } from 'node:child_process'
import { constants, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { noteSelf } from '../process/identity.ts'
import { pidNamespace } from './runner-identity.ts'

/** Of the machine itself, whose processes are all known by one number each. */
const FIRST_NAMESPACE = 'pid:[4026531836]'

/** Null where the pid does as well, or where no pipe can be made. It closes when this process ends, however it does. */
export function openPulse(folder: string): string | null {
  const pids = pidNamespace()
  if (pids === '' || pids === FIRST_NAMESPACE) return null
  const { pid, started } = noteSelf()
  const name = `pulse.${pid}.${started ?? ''}`
  try {
    // It may be there already: whoever goes on with a run takes its folder first.
    spawnSync('mkfifo', ['-m', '600', join(folder, name)], { stdio: 'ignore' })
    openSync(join(folder, name), constants.O_RDONLY | constants.O_NONBLOCK)
    return name
  } catch {
    return null
  }
}

export function removePulse(folder: string, pulse: string | null): void {
  if (pulse !== null) rmSync(join(folder, pulse), { force: true })
}
