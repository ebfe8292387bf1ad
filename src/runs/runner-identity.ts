/**
 * Where a runner lives, and what can be known from here about one that lives elsewhere. A process id means something
 * within one pid namespace of one boot of one machine; a state folder may be seen by several of them.
 */
import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { bootId, livesStill, noteSelf } from '../process/identity.ts'

export type RunnerPlace = {
  pid: number
  /** Tells this process from a later one with the same pid; null where the platform does not tell. */
  pidStarted: string | null
  /** Of the boot that it lives in: a start time is counted from there. Absent in folders of older versions. */
  boot?: string | null
  /** The machine, as far as it has a name, and the pid namespace there. Absent in folders of older versions. */
  machine?: string
  pids?: string
  /** A pipe beside, which the runner holds open for as long as it lives; only where its pid tells others nothing. */
  pulse?: string
}

/** `unseen`: nobody can say from here. */
export type Liveness = 'lives' | 'dead' | 'unseen'

export const placeHere = (pulse: string | null = null): RunnerPlace => {
  const { pid, started, boot } = noteSelf()
  const pids = pidNamespace()
  return {
    pid,
    pidStarted: started,
    boot,
    machine: machineName(),
    pids,
    ...(pulse === null ? {} : { pulse }),
  }
}

/** Its pid is one that can be looked for, and signalled, from here. */
export const isHere = ({ machine, pids }: RunnerPlace): boolean =>
  machine === undefined || (machine === machineName() && pids === pidNamespace())

export function livenessOf(runner: RunnerPlace, folder: string): Liveness {
  if (isHere(runner)) {
    const { pid, pidStarted: started, boot } = runner
    return livesStill({ pid, started, boot }) ? 'lives' : 'dead'
  }
  const now = bootId()
  if (runner.boot == null || now === null) return 'unseen'
  if (runner.boot === now)
    return runner.pulse === undefined ? 'unseen' : livenessByPipe(join(folder, runner.pulse))
  // What ran before its machine was started again runs no more.
  return runner.machine === machineName() ? 'dead' : 'unseen'
}

/** For people. */
export const machineOf = ({ machine = '' }: RunnerPlace): string => machine.split(' ')[0] ?? ''

/** A pipe that nobody reads cannot be opened for writing, and an orderly end removes it: true for all who share a kernel. */
function livenessByPipe(file: string): Liveness {
  try {
    closeSync(openSync(file, constants.O_WRONLY | constants.O_NONBLOCK))
    return 'lives'
  } catch (error) {
    return ['ENXIO', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '') ? 'dead' : 'unseen'
  }
}

export const pidNamespace = (): string => attempt(() => readlinkSync('/proc/self/ns/pid'))

const machineName = (): string =>
  `${hostname()} ${attempt(() => readFileSync('/etc/machine-id', 'latin1').trim())}`.trim()

function attempt(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
