/** `job list|status|tail|wait|cancel`: waiting at the daemon where it can, polling where it cannot. */

import { nearest } from '../../document/nearest.ts'
import type { JobInfo } from '../../jobs/job-info.ts'
import { withLimit } from '../../process/with-limit.ts'
import { connect } from '../link/client.ts'
import type { Link, LinkFailure, Result } from '../link/link.ts'
import { failed } from './exec.ts'
import type { CliOutcome } from './exit-code.ts'
import type { ClientIo } from './io.ts'
import type { CliSettings } from './options.ts'
import type { Session, WithSession } from './session.ts'
import { JOB_ACTIONS } from './usage.ts'
import { messageLines, withoutControls } from './wording.ts'

const WAIT_MS = 60_000
const CHUNK_BYTES = 1_048_576

export async function runJob(
  io: ClientIo,
  settings: CliSettings,
  words: readonly string[],
  connected: WithSession,
): Promise<CliOutcome> {
  const [action, id, ...more] = words
  const wrong = misuse(action, id, more)
  if (wrong !== null) {
    await io.write('stderr', wrong)
    return { kind: 'usage' }
  }
  return connected(io, settings, session => withLink(session, action ?? '', id ?? ''))
}

function misuse(action: string | undefined, id: string | undefined, more: string[]): string | null {
  if (action === undefined) return messageLines('job needs an action', `one of ${JOB_ACTIONS.join(', ')}`)
  if (!JOB_ACTIONS.includes(action)) {
    const near = nearest(action, JOB_ACTIONS)
    return messageLines(
      `unknown job action "${action}"`,
      near ? `did you mean ${near}?` : `one of ${JOB_ACTIONS.join(', ')}`,
    )
  }
  if (action === 'list') return id === undefined ? null : messageLines('job list takes no further words')
  if (id === undefined) return messageLines(`job ${action} needs a job id`, 'hostlink job list shows them')
  if (!/^[0-9a-f]{12}$/.test(id))
    return messageLines(`"${id}" is not a job id (12 hex digits)`, 'hostlink job list shows them')
  return more.length === 0 ? null : messageLines(`job ${action} takes one job id`)
}

type Job = Session & { link: Link; id: string; signal: AbortSignal }

async function withLink(session: Session, action: string, id: string): Promise<CliOutcome> {
  const { io, settings } = session
  const stop = new AbortController()
  let off = () => {}
  // The job does not depend on us, so nothing is waited for: not even a write that nobody takes.
  const left = new Promise<CliOutcome>(resolve => {
    off = io.onSignal(signal => {
      stop.abort()
      resolve({ kind: 'interrupted', signal })
    })
  })
  const { connectTimeoutMs } = settings
  const linked = await connect(session.endpoint, { connectTimeoutMs, signal: stop.signal })
  const outcome = await Promise.race([
    left,
    linked.ok ? act(session, linked.value, action, id, stop) : unlinked(linked.failure),
  ])
  off()
  if (linked.ok) linked.value.close()
  if (!linked.ok && outcome.kind === 'failure') return failed(session, linked.failure, false)
  if (outcome.kind === 'interrupted' && FOLLOWING.includes(action))
    await io.write(
      'stderr',
      messageLines('interrupted; the job goes on', `hostlink job cancel ${id} ends it`),
    )
  return outcome
}

const FOLLOWING = ['tail', 'wait']

const unlinked = (failure: LinkFailure): Promise<CliOutcome> => Promise.resolve({ kind: 'failure', failure })

const act = (session: Session, link: Link, action: string, id: string, { signal }: AbortController) =>
  ACTIONS[action]!({ ...session, link, id, signal })

const ACTIONS: Readonly<Record<string, (job: Job) => Promise<CliOutcome>>> = {
  list: async job => {
    const result = await job.link.jobList({ signal: job.signal })
    if (!result.ok) return refusal(job, result.failure)
    if (job.settings.json) return json(job, result.value, { kind: 'done' })
    if (result.value.jobs.length === 0) await job.io.write('stderr', 'no jobs\n')
    await job.io.write('stdout', result.value.jobs.map(listLine).join(''))
    return { kind: 'done' }
  },
  status: async job => {
    const result = await job.link.jobStatus(job.id, { signal: job.signal })
    if (!result.ok) return refusal(job, result.failure)
    const info = result.value
    const outcome: CliOutcome = info.done ? ended(info) : { kind: 'done' }
    if (job.settings.json) return json(job, info, outcome)
    const node = job.link.hello.node
    if (info.command)
      await job.io.write('stderr', `[${withoutControls(node)}] cmd: ${withoutControls(info.command)}\n`)
    await job.io.write('stderr', statusLine(info, node))
    return outcome
  },
  tail: async job => {
    if (job.settings.json) return tailJson(job)
    const drained = await drain(job, job.settings.tailStream, job.settings.follow)
    if (!drained.ok) return refusal(job, drained.failure)
    return report(job, await job.link.jobStatus(job.id, { signal: job.signal }))
  },
  wait: async job => {
    const waited = await waitUntil(job)
    if (waited === null) return stillRunning(job)
    if (!waited.ok) return refusal(job, waited.failure)
    if (job.settings.showOutput)
      for (const stream of ['stdout', 'stderr'] as const) {
        const drained = await drain(job, stream, false)
        if (!drained.ok) return refusal(job, drained.failure)
      }
    return job.settings.json ? json(job, waited.value, ended(waited.value)) : report(job, waited)
  },
  cancel: async job => {
    const { kill } = job.settings
    const result = await job.link.jobCancel(job.id, { kill, signal: job.signal })
    if (!result.ok) return refusal(job, result.failure)
    const outcome: CliOutcome = { kind: 'remote', code: result.value ? 0 : 1 }
    if (job.settings.json) return json(job, { job_id: job.id, signalled: result.value }, outcome)
    const what = result.value ? `SIG${kill ? 'KILL' : 'TERM'} sent to the process group` : 'not signalled'
    await job.io.write('stderr', `[${withoutControls(job.link.hello.node)}] job ${job.id}: ${what}\n`)
    return outcome
  },
}

async function waitUntil(job: Job): Promise<Result<JobInfo> | null> {
  const { settings, link, id } = job
  const { intervalMs: pollMs, waitTimeoutMs } = settings
  if (waitTimeoutMs === undefined) return link.jobWait(id, { signal: job.signal, pollMs })
  const result = await link.jobWait(id, { signal: withLimit(job.signal, waitTimeoutMs), pollMs })
  return !result.ok && result.failure.kind === 'cancelled' && !job.signal.aborted ? null : result
}

async function stillRunning(job: Job): Promise<CliOutcome> {
  const text = `[${withoutControls(job.link.hello.node)}] job ${job.id} still runs after ${job.settings.waitTimeoutMs}ms, the job itself goes on`
  await job.io.write('stderr', messageLines(text))
  return { kind: 'timeout' }
}

/** Writes what there is, and with `follow` what still comes; ends early once nobody reads it. */
async function drain(job: Job, stream: 'stdout' | 'stderr', follow: boolean): Promise<Result<null>> {
  const { link, id, signal, io, settings } = job
  const patience = follow ? { waitMs: WAIT_MS, pollMs: settings.intervalMs } : {}
  for (let offset = 0; ; ) {
    const tail = await link.jobTail(id, { stream, offset, maxBytes: CHUNK_BYTES, signal, ...patience })
    if (!tail.ok) return tail
    const { bytes, next_offset: next, done } = tail.value
    const isRead = await io.write(stream, bytes)
    if (!isRead || (next === offset && (done || !follow))) return { ok: true, value: null }
    offset = next
  }
}

/** One chunk and where it ends, so that a script can page for itself. */
async function tailJson(job: Job): Promise<CliOutcome> {
  const result = await job.link.jobTail(job.id, { stream: job.settings.tailStream, signal: job.signal })
  if (!result.ok) return refusal(job, result.failure)
  const { bytes: _, ...answer } = result.value
  return json(job, answer, { kind: 'done' })
}

async function report(job: Job, status: Result<JobInfo>): Promise<CliOutcome> {
  if (!status.ok) return refusal(job, status.failure)
  await job.io.write('stderr', statusLine(status.value, job.link.hello.node))
  return status.value.done ? ended(status.value) : { kind: 'done' }
}

async function json(job: Job, answer: object, outcome: CliOutcome): Promise<CliOutcome> {
  await job.io.write('stdout', `${JSON.stringify(answer)}\n`)
  return outcome
}

async function refusal(job: Job, failure: LinkFailure): Promise<CliOutcome> {
  // Whatever a link says that is closed because of an interrupt is no news.
  if (failure.kind === 'cancelled' || job.signal.aborted) return { kind: 'failure', failure }
  if (failure.kind === 'refused' && job.settings.json)
    return json(job, failure.answer, { kind: 'failure', failure })
  if (failure.kind === 'refused' && failure.message === 'unknown message type') {
    await job.io.write('stderr', messageLines('this daemon knows no jobs (it is older than 1.6)'))
    return { kind: 'failure', failure }
  }
  return failed(job, failure, false)
}

/** As the exit code of the command itself would have been told. */
function ended(info: JobInfo): CliOutcome {
  if (info.state === 'timeout') return { kind: 'timeout' }
  if (info.state === 'exited') return { kind: 'remote', code: info.exit_code ?? -1 }
  const message = info.error_msg ?? `the job is ${info.state}`
  const failure = { kind: 'refused' as const, status: info.state, message, node: '', answer: { ...info } }
  return { kind: 'failure', failure }
}

function statusLine(info: JobInfo, node: string): string {
  const head = `[${withoutControls(node)}] `
  const exit = info.done && info.state === 'exited' ? ` exit=${info.exit_code}` : ''
  const time = info.duration_ms ? ` time=${info.duration_ms}ms` : ''
  const capped = (['stdout', 'stderr'] as const)
    .filter(name => info[`${name}_truncated`])
    .map(name => ` ${name}:CAPPED(${info[`${name}_original_bytes`]} produced)`)
  const bytes = ` out=${info.stdout_bytes ?? 0}B err=${info.stderr_bytes ?? 0}B`
  const error = info.error_msg ? `${head}${withoutControls(info.error_msg)}\n` : ''
  return `${head}job ${withoutControls(info.job_id)} ${withoutControls(info.state)}${exit}${time}${bytes}${capped.join('')}\n${error}`
}

function listLine(info: JobInfo): string {
  const code = String(info.done ? (info.exit_code ?? -1) : -1).padEnd(4)
  const time = `${info.duration_ms ?? 0}`.padStart(6)
  const out = String(info.stdout_bytes ?? 0).padEnd(9)
  const command = withoutControls((info.command ?? '').replaceAll('\n', ' ')).slice(0, 80)
  return `${withoutControls(info.job_id).padEnd(12)}  ${withoutControls(info.state).padEnd(8)}  exit=${code}  ${time}ms  out=${out}  ${command}\n`
}
