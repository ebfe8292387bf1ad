/**
 * Durable commands on this machine: jobs in the daemon's own spool format, looked after by its supervisor, so that
 * they outlive this process, start once under their key, and are found again by whoever asks with it.
 */

import type { JobInfo, JobStart, Owner } from '../jobs/job-info.ts'
import { openJobs } from '../jobs/jobs.ts'
import { withVariables } from '../process/variables.ts'
import { overtakeJob } from './adopt-orphan.ts'
import type { OutputCollector } from './collect-output.ts'
import { followJob, type Got, type JobSource } from './follow-job.ts'
import { posixQuote } from './quote.ts'
import type { Command, ExecOptions, ExecResult, Overtaking } from './transport.ts'

const WAIT_MS = 30_000
const CHUNK_BYTES = 1024 * 1024
const OWNER: Owner = { name: 'local', seesAll: true }
const DAY_S = 24 * 60 * 60
const SETTINGS = {
  most: 4096,
  retentionS: DAY_S,
  maxSpoolBytes: 256 * 1024 * 1024,
  defaultTimeoutMs: 1000 * DAY_S,
  maxTimeoutMs: 7000 * DAY_S,
}
const ignore = () => {}
const SILENT = { warn: ignore, info: ignore, debug: ignore }

export type LocalJobs = {
  run(command: Command, options: ExecOptions, output: OutputCollector): Promise<ExecResult>
  overtake(id: string, options: Overtaking): ReturnType<typeof overtakeJob>
  prepare(): void
  close(): void
}

/** `env`: what every command gets. */
export function openLocalJobs(folder: string, env: Readonly<Record<string, string>>): LocalJobs {
  const jobs = openJobs({ settings: () => ({ ...SETTINGS, folder }), log: SILENT })
  const closing = new AbortController()

  const sourceOf = (id: string): JobSource => ({
    tail: async (stream, offset, signal) => {
      const request = {
        action: 'tail',
        job_id: id,
        stream,
        offset,
        max_bytes: CHUNK_BYTES,
        wait_ms: WAIT_MS,
      } as const
      const answer = await jobs.handle(request, OWNER, signal)
      if (closing.signal.aborted) return lost('the transport was closed while the command ran')
      if (answer.status !== 'ok') return lost(answer.error_msg)
      const bytes = Buffer.from(answer.data ?? '', answer.binary ? 'base64' : 'utf8')
      return { ok: true, value: { bytes, next: answer.next_offset ?? offset, done: answer.done === true } }
    },
    info: async () => {
      const answer = await jobs.handle({ action: 'status', job_id: id }, OWNER)
      return answer.status === 'ok' ? { ok: true, value: answer as JobInfo } : lost(answer.error_msg)
    },
    cancel: async kill => {
      const signal = kill ? 'KILL' : 'TERM'
      const answer = await jobs.handle({ action: 'cancel', job_id: id, signal }, OWNER)
      return answer.signalled === true
    },
  })

  return {
    run: async (command, options, output) => {
      const started = await jobs.start(jobOf(command, options, env), OWNER)
      if (started.job_id === undefined)
        return {
          kind: 'not-started',
          why: 'other',
          detail: started.error_msg ?? 'the job could not be started',
        }
      options.onStart?.({ kind: 'job', job: started.job_id })
      return followJob(sourceOf(started.job_id), command, output, options)
    },
    overtake: (id, options) => {
      const { info, cancel } = sourceOf(id)
      const known = async () => {
        const answer = await info()
        return answer.ok ? answer.value : null
      }
      return overtakeJob(known, () => cancel(false), options)
    },
    prepare: jobs.prepare,
    close: () => {
      closing.abort()
      jobs.close()
    },
  }
}

function jobOf(
  command: Command,
  { key, timeoutMs }: ExecOptions,
  base: Readonly<Record<string, string>>,
): JobStart {
  const { argv, cwd, env } = command
  const [file = '', ...args] = argv
  return {
    command: { file, argv0: file, args, env: withVariables(base, env ?? {}) },
    text: argv.map(posixQuote).join(' '),
    asked: [undefined, argv, cwd, Object.entries(env ?? {}).sort()],
    key,
    workdir: cwd,
    timeoutMs: Math.max(1, Math.ceil(timeoutMs)),
  }
}

const lost = (reason = 'the job is gone'): Got<never> => ({ ok: false, result: { kind: 'lost', reason } })
