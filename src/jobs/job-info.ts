/** The plain types of jobs: what starts one, and the queries and answers about it, which go over the wire as they are. */
import type { FolderId } from '../process/workdir.ts'

/** Looked up in `env.PATH` when `file` has no slash. `argv0`: the name that the program sees as its own. */
export type Invocation = {
  readonly file: string
  readonly argv0: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** Whose jobs may be asked about: its own, or all. */
export type Owner = { readonly name: string; readonly seesAll: boolean }

export type JobStart = {
  readonly command: Invocation
  /** The command as people read it. */
  readonly text: string
  /** Two starts with one key mean the same job if this is equal. */
  readonly asked: readonly unknown[]
  readonly key?: string | undefined
  /** Starts nothing: only finds a job that was started already. */
  readonly attachOnly?: boolean | undefined
  readonly workdir?: string | undefined
  readonly workdirIs?: FolderId | undefined
  readonly timeoutMs?: number | undefined
}

export type JobQuery =
  | { action: 'list' }
  | { action: 'status'; job_id: string }
  | {
      action: 'tail'
      job_id: string
      stream?: 'stdout' | 'stderr' | undefined
      offset?: number | undefined
      max_bytes?: number | undefined
      wait_ms?: number | undefined
    }
  | { action: 'cancel'; job_id: string; signal?: string | undefined }
  | { action: 'wait'; job_id: string; timeout_ms?: number | undefined }

/** On the wire `error_msg` follows it directly. */
export type JobStatus = 'ok' | 'error' | 'bad_request' | 'not_found'

export type JobState = 'starting' | 'running' | 'lost' | 'exited' | 'timeout' | 'error'

export type JobInfo = {
  job_id: string
  state: JobState
  done: boolean
  command: string
  created_at: number
  ended_at: number
  exit_code: number
  duration_ms: number
  stdout_bytes: number
  stderr_bytes: number
  stdout_original_bytes: number
  stderr_original_bytes: number
  stdout_truncated: boolean
  stderr_truncated: boolean
  timeout_ms: number
  pid: number
  workdir?: string
  error_msg?: string
}
