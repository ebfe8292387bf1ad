/** The interface through which the daemon serves runs. `bin/hostlinkd.ts` passes in `host/service.ts`: the wire knows no playbooks. */
import type { Jobs } from '../../jobs/jobs.ts'
import type { RunRequest } from '../messages.ts'
import type { Config } from './config/config.ts'
import type { Log } from './config/log.ts'
import type { Problem } from './config/problem.ts'
import type { Body } from './peers/answer.ts'
import type { Asked, Token, Verdict } from './policy/policy.ts'

export type RunService = {
  open(options: HostRunsOptions): HostRuns
  /** Reports tokens whose playbooks are not installed as they were reviewed. */
  grantProblems(config: Config, tokens: readonly Token[]): Problem[]
  /** Reports what those playbooks let their callers do. */
  checkGrants(config: Config, tokens: readonly Token[], env: NodeJS.ProcessEnv): Promise<GrantFindings>
  /** The folder in which runs keep their state. */
  stateFolder(config: Config, env: NodeJS.ProcessEnv): string
}

export type GrantFindings = { problems: Problem[]; warnings: Problem[] }

/** The part of the configuration that runs depend on. */
export type RunSettings = Pick<
  Config,
  'runsStateDir' | 'playbooksDir' | 'hostopsCommand' | 'shell' | 'envAllow' | 'maxJobs' | 'jobMaxTimeoutMs'
>

export type HostRunsOptions = {
  readonly config: () => RunSettings
  readonly log: Log
  readonly jobs: Jobs
  readonly hostEnv: NodeJS.ProcessEnv
}

export type HostRuns = {
  handle(request: RunRequest, token: Token, decide: Decide, gone: AbortSignal): Promise<Body>
  /** From now on, runs that wait for a confirmation are resumed if their runner is dead. */
  goOn(): void
  /** Ends the waits of requests; the runs themselves continue. */
  close(): void
}

type Decide = (asked: Extract<Asked, { type: 'run' }>) => Verdict
