/** Runs on this host, as the daemon asks for them. Who builds the daemon brings the service: the wire knows no playbooks. */
import type { Jobs } from '../../jobs/jobs.ts'
import type { RunRequest } from '../messages.ts'
import type { Config } from './config/config.ts'
import type { Problem } from './config/problem.ts'
import type { Log } from './log.ts'
import type { Body } from './peers/answer.ts'
import type { Asked, Token, Verdict } from './policy/policy.ts'

export type RunService = {
  open(options: HostRunsOptions): HostRuns
  /** Of tokens whose playbooks are not installed as they were reviewed. */
  grantProblems(config: Config, tokens: readonly Token[]): Problem[]
  /** Of what those playbooks let their callers do; asks hostops. */
  checkGrants(config: Config, tokens: readonly Token[], env: NodeJS.ProcessEnv): Promise<GrantFindings>
  /** Where runs keep their state. */
  stateFolder(config: Config, env: NodeJS.ProcessEnv): string
}

export type GrantFindings = { problems: Problem[]; warnings: Problem[] }

export type HostRunsOptions = {
  readonly config: () => Config
  readonly log: Log
  readonly jobs: Jobs
  readonly hostEnv: NodeJS.ProcessEnv
}

export type HostRuns = {
  handle(request: RunRequest, token: Token, decide: Decide, gone: AbortSignal): Promise<Body>
  /** From now on, runs that wait for a confirmation go on when their runner is dead. */
  goOn(): void
  /** Ends waits. Runs go on. */
  close(): void
}

type Decide = (asked: Extract<Asked, { type: 'run' }>) => Verdict
