/** Who this run is, for the locks it takes, and what can be known here about whoever holds one. */
import { statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Holder, HolderStatus, LockInput } from '../engine/holder.ts'
import { livesStill, noteSelf } from '../process/identity.ts'
import { userName } from './caller.ts'
import { hasSettled, mayLive } from './run-status.ts'
import { machineOf, pidNamespace } from './runner-identity.ts'
import { type RunEntry, type RunHead, readRun } from './runs-folder.ts'

export function lockInput(runId: string, state: string, waitMs: number, now: number): LockInput {
  const { pid, started, boot } = noteSelf()
  const holder: Holder = {
    runId,
    who: `${userName()}@${hostname()}`,
    since: new Date(now).toISOString(),
    machine: machine(),
    pid,
    boot: boot ?? '',
    processStart: started ?? '',
    state,
  }
  return { holder, waitMs, judge: other => judge(other, holder, state) }
}

/**
 * A process can only be looked for on the machine, and in the container, that it ran in; of one that ran elsewhere the
 * state folder may tell, where both see it.
 */
function judge(other: Holder, self: Holder, state: string): HolderStatus {
  const { pid, processStart, boot } = other
  if (other.machine !== self.machine) {
    const run = runOf(other, state)
    return run === null || mayLive(run.status) || !isRunnerOf(run.head, other) ? 'unknown' : endOf(run)
  }
  if (boot === self.boot && livesStill({ pid, started: processStart || null })) return 'alive'
  // Its own first: an id may be given twice.
  const run = (other.state === undefined ? null : runOf(other, other.state)) ?? runOf(other, state)
  if (run === null) return other.state !== undefined && canLookInto(other.state, other) ? 'lost' : 'unknown'
  return endOf(run)
}

const endOf = ({ status }: RunEntry): HolderStatus => (hasSettled(status) ? 'finished' : 'interrupted')

/** Of another user's folder nobody knows what is in it. */
function canLookInto(state: string, { runId }: Holder): boolean {
  try {
    statSync(join(state, 'runs', runId))
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR'
  }
}

const isRunnerOf = (head: RunHead, { machine: of, pid, processStart }: Holder): boolean =>
  head.pid === pid && head.pidStarted === processStart && `${machineOf(head)} ${head.pids}` === of

const runOf = ({ runId }: Holder, state: string) => readRun(join(state, 'runs', runId))

/** Process ids mean something within one pid namespace only. */
function machine(): string {
  return `${hostname()} ${pidNamespace()}`.trim()
}
