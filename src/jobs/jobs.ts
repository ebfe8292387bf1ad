/** Detached commands: each in a spool folder of its own, run by a supervisor that outlives the process that started it. */
import { createHash, randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { join } from 'node:path'
import { systemReason } from '../process/system-error.ts'
import type { JobQuery, JobStart, JobStatus, Owner } from './job-info.ts'
import { answerJobQuery, type JobAnswer } from './job-requests.ts'
import type { JobSpec } from './job-spec.ts'
import { type JobLog, type Most, openJobTable } from './job-table.ts'
import { openWatches } from './job-watch.ts'
import { createSpool, type Meta, readSpool, removeSpool, spoolRoot } from './spool.ts'
import { findSupervisor, openSpare, startSupervisor } from './supervisor.ts'

export type { JobAnswer }

/** An answer without its envelope; `error_msg` stands right behind `status`. */
type JobStartAnswer = { status: JobStatus; error_msg?: string; attached?: boolean } & Partial<
  ReturnType<typeof accepted> & Limit['clamped']
>
export type Jobs = {
  start(job: JobStart, owner: Owner, most?: Partial<Most>): Promise<JobStartAnswer>
  /** `gone` ends a wait early, when nobody is left to hear the answer. */
  handle(query: JobQuery, owner: Owner, gone?: AbortSignal): Promise<JobAnswer>
  /** A start is near, and shall be quick. */
  prepare(): void
  /** Ends waits and watches. Jobs go on. */
  close(): void
}

export type JobSettings = {
  /** The parent of `jobs/`, the folder with all spools. */
  readonly folder: string
  /** The limit of jobs that run at a time. */
  readonly most: number
  readonly retentionS: number
  readonly maxSpoolBytes: number
  readonly defaultTimeoutMs: number
  readonly maxTimeoutMs: number
}

type JobsOptions = {
  readonly settings: () => JobSettings
  readonly log: JobLog
  /** The bundle that looks after a job; for tests. */
  readonly superviseFile?: string
}

const SWEEP_EVERY_MS = 10 * 60_000

type Place = { root: string; id: string }

export function openJobs(options: JobsOptions): Jobs {
  const { settings, log, superviseFile = findSupervisor() } = options
  const watches = openWatches()
  const spare = openSpare(superviseFile)
  const closing = new AbortController()
  const table = openJobTable(() => spoolRoot(settings().folder), log)
  const sweep = () => void table.sweep(settings().retentionS)
  const sweeper = setInterval(sweep, Math.max(1000, Math.min(settings().retentionS * 1000, SWEEP_EVERY_MS)))
  sweeper.unref()
  sweep()

  /** Null: it is new, and has its spool. */
  const enter = async (
    { key, attachOnly, text }: JobStart,
    owner: Owner,
    { root, id, meta, most }: Place & { meta: Meta; most: Most },
  ): Promise<JobStartAnswer | null> => {
    const before = key === undefined ? null : await readSpool(root, id)
    if (before !== null) return attach(id, before.meta, meta)
    if (attachOnly) return { status: 'not_found', error_msg: 'no command of this key' }
    if (!(await table.admit(id, owner.name, most))) return tooMany(Math.min(most.ofAll, most.ofToken))
    if (await createSpool(root, id, meta, text)) return null
    const other = await readSpool(root, id)
    return other === null ? refused(`${join(root, id)} is in the way`) : attach(id, other.meta, meta)
  }

  const begin = async ({ root, id }: Place, spec: JobSpec): Promise<void> => {
    const own = join(root, id)
    table.began(id)
    const onExit = () => {
      table.ended(id)
      watches.poke(own)
    }
    if (!spare.entrust(own, spec, onExit)) await startSupervisor(superviseFile, own, spec, onExit)
  }

  const start = async (
    job: JobStart,
    owner: Owner,
    { ofAll = Number.POSITIVE_INFINITY, ofToken = Number.POSITIVE_INFINITY }: Partial<Most> = {},
  ): Promise<JobStartAnswer> => {
    const { folder, most: mostOfAll, maxSpoolBytes, ...limits } = settings()
    const limit = timeLimit(job.timeoutMs, limits)
    const meta = describe(job, owner, limit.timeout_ms, maxSpoolBytes)
    const id = job.key === undefined ? randomBytes(6).toString('hex') : keyedId(owner, job.key)
    const place = { root: spoolRoot(folder), id }
    try {
      const most = { ofAll: Math.min(mostOfAll, ofAll), ofToken }
      const answer = await enter(job, owner, { ...place, meta, most })
      if (answer !== null) return answer
    } catch (error) {
      table.forget(id)
      return refused(`the job cannot be kept: ${systemReason(error)}`)
    }
    const { command, workdir, workdirIs } = job
    try {
      await begin(place, { command, workdir, workdirIs, timeoutMs: limit.timeout_ms, maxSpoolBytes })
    } catch (error) {
      table.ended(id)
      table.forget(id)
      await removeSpool(place.root, id).catch(() => {})
      return refused(`spawn failed: ${systemReason(error)}`)
    }
    log.info(`job ${id} begun by ${owner.name}`)
    return { status: 'ok', ...accepted(id), ...limit.clamped }
  }

  return {
    start,
    handle: (query, owner, gone) => {
      const ends = gone === undefined ? closing.signal : AbortSignal.any([gone, closing.signal])
      // Any number of requests may wait on it.
      setMaxListeners(0, ends)
      return answerJobQuery(query, owner, { table, watches, gone: ends })
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
const keyedId = (owner: Owner, key: string): string => sha256([owner.name, key]).slice(0, 12)

const sha256 = (parts: unknown): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

function describe(job: JobStart, owner: Owner, timeoutMs: number, maxSpoolBytes: number): Meta {
  const { key, asked, workdir } = job
  return {
    token: owner.name,
    request: sha256([owner.name, key, ...asked]),
    timeout_ms: timeoutMs,
    created_ms: Date.now(),
    max_spool_bytes: maxSpoolBytes,
    ...(workdir === undefined ? {} : { workdir }),
  }
}

type Limit = {
  timeout_ms: number
  clamped: { timeout_requested_ms?: number; timeout_effective_ms?: number }
}

function timeLimit(
  asked: number | undefined,
  { defaultTimeoutMs, maxTimeoutMs: most }: Pick<JobSettings, 'defaultTimeoutMs' | 'maxTimeoutMs'>,
): Limit {
  if (asked === undefined || asked <= 0) {
    return { timeout_ms: Math.min(defaultTimeoutMs, most), clamped: {} }
  }
  if (asked <= most) return { timeout_ms: asked, clamped: {} }
  return { timeout_ms: most, clamped: { timeout_requested_ms: asked, timeout_effective_ms: most } }
}

function attach(id: string, existing: Meta, asked: Meta): JobStartAnswer {
  if (existing.request === asked.request) return { status: 'ok', ...accepted(id), attached: true }
  return { status: 'bad_request', error_msg: 'key was used for another command' }
}

/** In the order of the wire. */
const accepted = (id: string) => ({
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
