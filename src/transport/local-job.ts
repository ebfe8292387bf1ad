/**
 * Durable commands on this machine: jobs in the daemon's own spool format, looked after by its supervisor, so that
 * they outlive this process, start once under their key, and are found again by whoever asks with it.
 */
import { parseConfig } from '../hostlink/daemon/config/config.ts'
import { openJobs } from '../hostlink/daemon/jobs/jobs.ts'
import type { Log } from '../hostlink/daemon/log.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { JobInfo } from '../hostlink/messages.ts'
import { followJob, type Got, type JobSource } from './follow-job.ts'
import type { Output } from './output.ts'
import { overtakeJob } from './overtake.ts'
import type { Command, ExecOptions, ExecResult, Overtaking } from './transport.ts'

const WAIT_MS = 30_000
const CHUNK_BYTES = 1024 * 1024
const MOST_JOBS = 4096
const OWNER: Token = { name: 'local', policy: { kind: 'full' } }
const ignore = () => {}
const SILENT: Log = { error: ignore, warn: ignore, info: ignore, debug: ignore }

export type LocalJobs = {
  run(command: Command, options: ExecOptions, output: Output): Promise<ExecResult>
  overtake(id: string, options: Overtaking): ReturnType<typeof overtakeJob>
  prepare(): void
  close(): void
}

export function openLocalJobs(folder: string): LocalJobs {
  const settings = {
    ...defaults(),
    outputTmpdir: folder,
    maxJobs: MOST_JOBS,
    envAllow: Object.keys(process.env),
  }
  const jobs = openJobs({ config: () => settings, log: SILENT })
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
      const started = await jobs.start(
        {
          argv: [...command.argv],
          env: command.env,
          workdir: command.cwd,
          job_timeout_ms: Math.max(1, Math.ceil(options.timeoutMs)),
          key: options.key,
          ...NOTHING_ELSE,
        },
        OWNER,
      )
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

const NOTHING_ELSE = {
  command: undefined,
  timeout_ms: undefined,
  max_stdout_bytes: undefined,
  max_stderr_bytes: undefined,
  output_to_file: undefined,
  detach: true,
  stream: undefined,
  cancel_on_disconnect: undefined,
  attach_only: undefined,
}

const lost = (reason = 'the job is gone'): Got<never> => ({ ok: false, result: { kind: 'lost', reason } })

function defaults() {
  const parsed = parseConfig('auth_token = none-is-ever-asked-for', 'defaults')
  if ('problems' in parsed) throw new Error(parsed.problems.map(problem => problem.reason).join(', '))
  return parsed.config
}
