/** Opens the runs that a command is about: those of this machine, or with `--target` those at a host. */
import type { HostPlaybook } from '../../app/at-host/host-playbooks.ts'
import { withHost } from '../../app/at-host/with-host.ts'
import { openState } from '../../app/open-run.ts'
import { ownRuns } from '../../app/own-runs.ts'
import { Failed } from '../../failure.ts'
import { atOf, HostRefusal, noReply } from '../../runs/host-link.ts'
import { refusalCode } from '../../runs/refusal-code.ts'
import type { Runs } from '../../runs/runs.ts'
import { wordedError } from '../print/print-failure.ts'
import type { Io } from '../terminal/io.ts'
import { opener } from './opener.ts'

export type OfRuns = { target?: string; config?: string }

/** Prints a failure as `refuse` says. */
export async function withRuns(
  options: OfRuns,
  io: Io,
  work: (runs: Runs) => Promise<number>,
  refuse: Refuse = printRefusal,
): Promise<number> {
  try {
    const runs = await openRuns(options, io)
    try {
      return await work(runs)
    } finally {
      runs.close()
    }
  } catch (error) {
    if (error instanceof Failed) return refuse(error, atOf(options), io)
    throw error
  }
}

/** Prints why a command could not be carried out. `at`: how a command names the host. */
export type Refuse = (error: Failed, at: string, io: Io) => number | Promise<number>

async function openRuns({ target, ...options }: OfRuns, io: Io): Promise<Runs> {
  const state = openState(options, io)
  if (target === undefined) return ownRuns(state, io)
  const opened = await opener(options, io)(target, state)
  if (!opened.ok) throw new HostRefusal(noReply(opened.failure))
  const { runsAt } = await import('../../runs/runs-at.ts')
  return runsAt(opened.host)
}

/** The playbooks that a host lets this token run. */
export async function withPlaybooksOf(
  { target, ...options }: OfRuns & { target: string },
  io: Io,
  work: (playbooks: HostPlaybook[]) => number,
): Promise<number> {
  try {
    return work(await playbooksAt(target, openState(options, io), options, io))
  } catch (error) {
    if (error instanceof Failed) return printRefusal(error, atOf({ target }), io)
    throw error
  }
}

/** Throws `Failed` if the host does not tell. */
export async function playbooksAt(
  target: string,
  state: string,
  options: Pick<OfRuns, 'config'>,
  io: Io,
): Promise<HostPlaybook[]> {
  const opened = await opener(options, io)(target, state)
  const { playbooksOf } = await import('../../app/at-host/host-playbooks.ts')
  return withHost(opened, host => playbooksOf(host))
}

export function printRefusal(error: Failed, at: string, io: Io): number {
  io.stderr.write(wordedError(error.failure, at))
  return refusalCode(error)
}
