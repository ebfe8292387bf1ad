/** Detached commands: each in a spool folder of its own, run by a supervisor that outlives the daemon. */
import { createHash, randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import type { ExecAnswer, ExecRequest, JobRequest, Status } from '../../messages.ts'
import type { Config } from '../config/config.ts'
import { systemReason } from '../config/problem.ts'
import { commandFor } from '../exec/command.ts'
import { commandText } from '../exec/command-text.ts'
import type { Log } from '../log.ts'
import type { Token } from '../policy/policy.ts'
import type { Judgement } from '../policy/rule.ts'
import { answerJobRequest, type JobAnswer } from './job-requests.ts'
import { type Most, openJobTable } from './job-table.ts'
import { openWatches } from './job-watch.ts'
import { createSpool, type Meta, readSpool, removeSpool, spoolRoot } from './spool.ts'
import { findSupervisor, openSpare, startSupervisor } from './supervisor.ts'

export type { JobAnswer }

/** An answer without its envelope, in the order of the wire; `error_msg` stands right behind `status`. */
export type JobStartAnswer = { status: Status; error_msg?: string } & Partial<
  Omit<ExecAnswer, 'version' | 'id' | 'node' | 'status' | 'error_msg'>
>
export type Jobs = {
  start(
    request: ExecRequest,
    token: Token,
    judgement?: Judgement,
    most?: Partial<Most>,
  ): Promise<JobStartAnswer>
  /** `gone` ends a wait early, when nobody is left to hear the answer. */
  handle(request: JobRequest, token: Token, gone?: AbortSignal): Promise<JobAnswer>
  /** A start is near, and shall be quick. */
  prepare(): void
  /** Ends waits and watches. Jobs go on. */
  close(): void
}

export type JobsOptions = {
  readonly config: () => Config
  readonly log: Log
  /** What the environment of commands is made of; the daemon's own where absent. */
  readonly hostEnv?: NodeJS.ProcessEnv
  /** The bundle that looks after a job; for tests. */
  readonly superviseFile?: string
}

const SWEEP_EVERY_MS = 10 * 60_000

export function openJobs(options: JobsOptions): Jobs {
  const { config, log, hostEnv = process.env, superviseFile = findSupervisor() } = options
  const watches = openWatches()
  const spare = openSpare(superviseFile)
  const closing = new AbortController()
  const table = openJobTable(() => spoolRoot(config().outputTmpdir), log)
  const sweep = () => void table.sweep(config().jobRetentionS)
  const sweeper = setInterval(sweep, Math.max(1000, Math.min(config().jobRetentionS * 1000, SWEEP_EVERY_MS)))
  sweeper.unref()
  sweep()

  const start = async (
    request: ExecRequest,
    token: Token,
    judgement?: Judgement,
    { ofAll = Number.POSITIVE_INFINITY, ofToken = Number.POSITIVE_INFINITY }: Partial<Most> = {},
  ): Promise<JobStartAnswer> => {
    const settings = config()
    const root = spoolRoot(settings.outputTmpdir)
    const limit = timeLimit(request.job_timeout_ms, settings)
    const meta = describe(request, token, limit.timeout_ms, settings)
    const id = request.key === undefined ? randomBytes(6).toString('hex') : keyedId(token, request.key)
    try {
      const before = request.key === undefined ? null : await readSpool(root, id)
      if (before !== null) return attach(id, before.meta, meta)
      if (request.attach_only) return { status: 'not_found', error_msg: 'no command of this key' }
      const most = { ofAll: Math.min(settings.maxJobs, ofAll), ofToken }
      if (!(await table.admit(id, token.name, most))) return tooMany(Math.min(most.ofAll, ofToken))
      if (!(await createSpool(root, id, meta, commandText(request)))) {
        const other = await readSpool(root, id)
        return other === null ? refused(`${join(root, id)} is in the way`) : attach(id, other.meta, meta)
      }
    } catch (error) {
      table.forget(id)
      return refused(`the job cannot be kept: ${systemReason(error)}`)
    }
    try {
      const spec = {
        command: commandFor(request, settings, hostEnv, judgement?.file),
        workdir: request.workdir,
        workdirIs: judgement?.workdirIs,
        timeoutMs: limit.timeout_ms,
        maxSpoolBytes: settings.jobMaxSpoolBytes,
      }
      const folder = join(root, id)
      table.began(id)
      const onExit = () => {
        table.ended(id)
        watches.poke(folder)
      }
      if (!spare.entrust(folder, spec, onExit)) await startSupervisor(superviseFile, folder, spec, onExit)
    } catch (error) {
      table.ended(id)
      table.forget(id)
      await removeSpool(root, id).catch(() => {})
      return refused(`spawn failed: ${systemReason(error)}`)
    }
    log.info(`job ${id} begun by ${token.name}`)
    return { ...accepted(id), ...limit.clamped }
  }

  return {
    start,
    handle: (request, token, gone) => {
      const ends = gone === undefined ? closing.signal : AbortSignal.any([gone, closing.signal])
      // Any number of requests may wait on it.
      setMaxListeners(0, ends)
      return answerJobRequest(request, token, { table, watches, gone: ends })
    },
    prepare: spare.prepare,
    close: () => {
      spare.close()
      clearInterval(sweeper)
      closing.abort()
      watches.close()
    },
  }
}

/** The folder's name is the lock that starts a keyed job once. */
const keyedId = (token: Token, key: string): string => sha256([token.name, key]).slice(0, 12)

const sha256 = (parts: unknown): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

function describe(request: ExecRequest, token: Token, timeoutMs: number, settings: Config): Meta {
  const { key, command, argv, workdir, env } = request
  return {
    token: token.name,
    request: sha256([token.name, key, command, argv, workdir, Object.entries(env ?? {}).sort()]),
    timeout_ms: timeoutMs,
    created_ms: Date.now(),
    max_spool_bytes: settings.jobMaxSpoolBytes,
    ...(workdir === undefined ? {} : { workdir }),
  }
}

type Limit = {
  timeout_ms: number
  clamped: { timeout_requested_ms?: number; timeout_effective_ms?: number }
}

function timeLimit(asked: number | undefined, settings: Config): Limit {
  const most = settings.jobMaxTimeoutMs
  if (asked === undefined || asked <= 0) {
    return { timeout_ms: Math.min(settings.jobDefaultTimeoutMs, most), clamped: {} }
  }
  if (asked <= most) return { timeout_ms: asked, clamped: {} }
  return { timeout_ms: most, clamped: { timeout_requested_ms: asked, timeout_effective_ms: most } }
}

function attach(id: string, existing: Meta, asked: Meta): JobStartAnswer {
  if (existing.request === asked.request) return { ...accepted(id), attached: true }
  return { status: 'bad_request', error_msg: 'key was used for another command' }
}

const accepted = (id: string): JobStartAnswer => ({
  status: 'ok',
  exit_code: 0,
  detached: true,
  job_id: id,
  stdout_truncated: false,
  stderr_truncated: false,
  stdout_original_bytes: 0,
  stderr_original_bytes: 0,
  duration_ms: 0,
})

const refused = (message: string): JobStartAnswer => ({ status: 'error', error_msg: message })
const tooMany = (most: number): JobStartAnswer => refused(`too many jobs running (max ${most})`)
