/** What a client sees of a hostlink daemon: the library's interface, and every way in which it can fail. */

import type { JobInfo } from '../../jobs/job-info.ts'
import type { StreamName } from '../../process/stream-name.ts'
import type { ExecAnswer, Feature, JobListAnswer, JobTailAnswer, PingAnswer, RunAnswer } from '../messages.ts'

export type Address = { kind: 'unix'; path: string } | { kind: 'tcp'; host: string; port: number }

/** Where a daemon is and what opens it. `tokenFrom` names the source of the token and is safe to print. */
export type Endpoint = {
  at: Address
  token: string
  tokenFrom: string
  /** Where it came out of a file. */
  tokenFile?: string | undefined
  /** The name in targets.conf, where the endpoint came from there. */
  target?: string | undefined
  /** The target's own `timeout_ms`: for commands whose caller names no limit. */
  timeoutMs?: number | undefined
}

export type LinkFailure =
  /** Nothing was sent. `code` is the system's (`ENOENT`), `reason` its words. */
  | { kind: 'connect'; at: Address; code: string; reason: string }
  | { kind: 'auth' }
  /** The daemon answered no: busy, workdir, denied, bad request, unknown job. Nothing runs (any more). */
  | { kind: 'refused'; status: string; message: string; node: string; answer: AnswerBody }
  /** The daemon did not answer in time: the end is not known. (A command at its limit is an answer, no failure.) */
  | { kind: 'timeout'; afterMs: number }
  /** The peer broke the rules of the wire: the end is not known. */
  | { kind: 'protocol'; reason: string }
  /** The connection ended before the answer. `sent: false`: the request has certainly not been started. */
  | { kind: 'lost'; sent: boolean; reason: string }
  /** The caller's signal. `confirmed`: the daemon said that the command has ended; otherwise it may go on. */
  | { kind: 'cancelled'; confirmed: boolean; answer?: ExecAnswer }
  /** The daemon does not announce what the request needs; nothing was sent. */
  | { kind: 'unsupported'; feature: Feature }

export type Result<T> = { ok: true; value: T } | { ok: false; failure: LinkFailure }
export type AnswerBody = Readonly<Record<string, unknown>>

export type OnOutput = (stream: StreamName, data: Buffer) => void | Promise<void>

export type RequestOptions = {
  /** How long to wait for the answer. */
  answerTimeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

/** `argv` needs the feature of that name; `command` is shell text and works everywhere. */
export type LinkCommand =
  | { argv: readonly string[]; command?: undefined }
  | { command: string; argv?: undefined }

export type CommandOptions = LinkCommand & {
  cwd?: string | undefined
  env?: Readonly<Record<string, string>> | undefined
  timeoutMs?: number | undefined
}

export type LinkExecOptions = CommandOptions &
  RequestOptions & {
    maxStdoutBytes?: number | undefined
    maxStderrBytes?: number | undefined
    outputToFile?: boolean | undefined
    /** Start once; needs the feature `key`. */
    key?: string | undefined
    /** With `key`: refused (`not_found`) instead of started when it is not known; needs the feature `attach`. */
    attachOnly?: boolean | undefined
    /** Needs the feature `cancel`; ignored by daemons without it. */
    cancelOnDisconnect?: boolean | undefined
    /**
     * Live output, exact bytes; needs the feature `stream`, and then the answer has no texts. A promise holds
     * this command's output back until it settles, and nobody else's.
     */
    onOutput?: OnOutput | undefined
    /** With `key`: after a lost link, connect again and attach, this many times. Default 0. */
    reattach?: number | undefined
    /** Called before such an attachment; live output then begins again, as far as the daemon kept it. */
    onReattach?: (() => void) | undefined
  }

/** `timeoutMs` limits the job itself. */
export type JobOptions = CommandOptions &
  RequestOptions & { key?: string | undefined; attachOnly?: boolean | undefined }

/** For daemons that cannot wait. Without `pollMs` the questions get fewer as time goes by. */
type Polling = { pollMs?: number | undefined }

export type TailOptions = RequestOptions & {
  stream?: StreamName | undefined
  offset?: number | undefined
  maxBytes?: number | undefined
  /** Answer only once there is data, the job is done, or this long has passed. */
  waitMs?: number | undefined
} & Polling

/** `bytes` is `data` decoded. `state` and `done` come from daemons with `job_wait`, and where it was waited. */
type TailAnswer = JobTailAnswer & { bytes: Buffer }

export type Link = {
  readonly endpoint: Endpoint
  /** The answer to the ping that every link begins with. */
  readonly hello: PingAnswer
  readonly features: ReadonlySet<string>
  ping(options?: RequestOptions): Promise<Result<PingAnswer>>
  /** The value's status is `ok` or `timeout`; everything else is a failure. */
  exec(options: LinkExecOptions): Promise<Result<ExecAnswer>>
  submitJob(options: JobOptions): Promise<Result<{ jobId: string; answer: ExecAnswer }>>
  jobList(options?: RequestOptions): Promise<Result<JobListAnswer & { jobs: JobInfo[] }>>
  jobStatus(jobId: string, options?: RequestOptions): Promise<Result<JobInfo>>
  jobTail(jobId: string, options?: TailOptions): Promise<Result<TailAnswer>>
  jobCancel(
    jobId: string,
    options?: RequestOptions & { kill?: boolean | undefined },
  ): Promise<Result<boolean>>
  /** Until the job is done: waiting at the daemon where it can, asking again and again where it cannot. */
  jobWait(jobId: string, options?: RequestOptions & Polling): Promise<Result<JobInfo>>
  /** Runs on the host: one request, whose fields PROTOCOL.md names. Needs `run`. */
  run(action: string, fields: object, options?: RequestOptions): Promise<Result<RunAnswer>>
  /** Ends a running exec by its request id or key; false: there was none. Needs `cancel`. */
  cancel(what: { id: string } | { key: string }, options?: RequestOptions): Promise<Result<boolean>>
  /** Requests in flight end as lost. */
  close(): void
}

export type ConnectOptions = RequestOptions & {
  /** Default 5000. */
  connectTimeoutMs?: number | undefined
  /** The largest answer that is taken. Default: what the wire allows, which can cost forty times as much once it is parsed. */
  maxAnswerBytes?: number | undefined
}

export type Connect = (endpoint: Endpoint, options?: ConnectOptions) => Promise<Result<Link>>
