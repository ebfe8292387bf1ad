/** What everything about runs on this host stands on. */

import type { By } from '../engine/events.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { HostRunsOptions } from '../hostlink/daemon/run-service.ts'
import type { Owner } from '../jobs/job-info.ts'
import type { Most } from '../jobs/job-table.ts'
import type { Jobs } from '../jobs/jobs.ts'
import type { Runs } from '../runs/runs.ts'
import type { HostRunStore } from './request-store.ts'

export type AroundRuns = HostRunsOptions & {
  readonly store: HostRunStore
  /** What the engine's own folders show. */
  readonly runs: Runs
  readonly stateDir: string
  /** `hostops ARGV` as a job of this token, once for each key. */
  readonly startJob: (
    token: string,
    key: string,
    argv: readonly string[],
    workdir: string,
    most?: Partial<Most>,
  ) => ReturnType<Jobs['start']>
  /** Who a caller is, in the journals of the runs that they ask for. */
  readonly by: (token: Token) => By
  /** Reading records takes time: tokens with a policy take turns, and most of the time belongs to others. */
  readonly inTurn: <T>(token: Token, read: () => Promise<T>) => Promise<T>
  /** Runs that somebody goes on with, and the jobs that do; null while one is being started. */
  readonly again: Map<string, string | null>
}

/** What a job is looked up by is the name of its token alone. */
export const ownerOf = (name: string): Owner => ({ name, seesAll: false })
