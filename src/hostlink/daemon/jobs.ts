/** Detached commands: each in a spool folder of its own, run by a supervisor that outlives the daemon. */
import type { ExecAnswer, ExecRequest, JobInfo, JobRequest, Status } from '../messages.ts'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import type { Token } from './policy.ts'

/** An answer without its envelope, in the order of the wire; `error_msg` stands right behind `status`. */
export type JobStartAnswer = { status: Status; error_msg?: string } & Partial<
  Omit<ExecAnswer, 'version' | 'id' | 'node' | 'status' | 'error_msg'>
>
export type JobAnswer = { status: Status; error_msg?: string } & Partial<JobInfo> & {
    jobs?: JobInfo[]
    data?: string
    offset?: number
    next_offset?: number
    binary?: boolean
    signalled?: boolean
  }

export type Jobs = {
  /** `resolvedArgv0`: what the policy's verdict handed back. */
  start(request: ExecRequest, token: Token, resolvedArgv0?: string): Promise<JobStartAnswer>
  /** `gone` ends a wait early, when nobody is left to hear the answer. */
  handle(request: JobRequest, token: Token, gone?: AbortSignal): Promise<JobAnswer>
  /** Ends waits and watches. Jobs go on. */
  close(): void
}

export type JobsOptions = { readonly config: () => Config; readonly log: Log }

export function openJobs(_options: JobsOptions): Jobs {
  const refused = { status: 'error', error_msg: 'jobs are not offered yet' } as const
  return { start: async () => refused, handle: async () => refused, close: () => {} }
}
