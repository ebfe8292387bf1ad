/** Follows a detached command to its end, wherever it runs: output as it comes, then how it ended. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { JobInfo } from '../jobs/job-info.ts'
import type { StreamName } from '../process/stream-name.ts'
import type { OutputCollector } from './collect-output.ts'
import type { Command, ExecOptions, ExecResult } from './transport.ts'

/** A failure is final: the source has tried again as often as makes sense. */
export type Got<T> = { ok: true; value: T } | { ok: false; result: ExecResult }

/** `done`: the job has ended, and nothing will ever come after these bytes but what lies behind `next`. */
export type Tail = { bytes: Buffer; next: number; done: boolean }

export type JobSource = {
  /** Answers once there is something behind `offset`, the job is done, or some time has passed. */
  tail(stream: StreamName, offset: number, signal: AbortSignal): Promise<Got<Tail>>
  info(): Promise<Got<JobInfo>>
  /** False when there was nothing to signal (yet). */
  cancel(kill: boolean): Promise<boolean>
}

/** What TERM, two seconds, KILL and a slow machine may add to a job's own limit. */
const END_GRACE_MS = 60_000
const KILL_AFTER_MS = 4000
const CANCEL_EVERY_MS = 250
const LONGEST_TIMER_MS = 2 ** 31 - 1

export async function followJob(
  source: JobSource,
  command: Command,
  output: OutputCollector,
  options: Pick<ExecOptions, 'signal' | 'timeoutMs'>,
): Promise<ExecResult> {
  const over = new AbortController()
  const limit = Math.min(options.timeoutMs + END_GRACE_MS, LONGEST_TIMER_MS)
  const timer = setTimeout(() => over.abort(), limit)
  const onAbort = () => void end(source, over.signal)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  if (options.signal?.aborted) onAbort()
  try {
    const pumped = await Promise.all([
      pump(source, 'stdout', output, over.signal),
      pump(source, 'stderr', output, over.signal),
    ])
    const failed = pumped.find(result => result !== null)
    if (failed) return failed
    const info = await source.info()
    return info.ok ? resultOf(info.value, command, output, options.signal?.aborted === true) : info.result
  } finally {
    over.abort()
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', onAbort)
  }
}

/** Null once all was read. */
async function pump(
  source: JobSource,
  stream: StreamName,
  output: OutputCollector,
  over: AbortSignal,
): Promise<ExecResult | null> {
  for (let offset = 0; ; ) {
    const tail = await source.tail(stream, offset, over)
    if (!tail.ok) return tail.result
    const { bytes, next, done } = tail.value
    if (bytes.length > 0) output.take(stream, bytes)
    if (bytes.length < next - offset) output.missed(stream)
    if (done && next === offset) return null
    if (over.aborted) return { kind: 'lost', reason: 'the job has not ended within its time' }
    offset = next
  }
}

/** Asks again, because a job that has just been submitted may not be there to be signalled. */
async function end(source: JobSource, over: AbortSignal): Promise<void> {
  const began = Date.now()
  let told = false
  while (!over.aborted) {
    const kill = Date.now() - began > KILL_AFTER_MS
    if (!told || kill) told = await source.cancel(kill).catch(() => false)
    await sleep(CANCEL_EVERY_MS, undefined, { signal: over }).catch(() => {})
  }
}

function resultOf(info: JobInfo, command: Command, output: OutputCollector, cancelled: boolean): ExecResult {
  if (info.stdout_truncated) output.missed('stdout')
  if (info.stderr_truncated) output.missed('stderr')
  const kept = output.kept(info.duration_ms)
  const message = info.error_msg ?? ''
  switch (info.state) {
    case 'exited': {
      if (cancelled) return { kind: 'cancelled', ...kept }
      // Our supervisor names the program only when it could not be started.
      if (message.startsWith(`${command.argv[0]}: `)) return notStarted(info.exit_code, message)
      return { kind: 'exited', code: info.exit_code, signal: null, ...kept }
    }
    case 'timeout':
      return { kind: cancelled ? 'cancelled' : 'timeout', ...kept }
    case 'error':
      if (message.startsWith('workdir')) return { kind: 'not-started', why: 'bad-cwd', detail: message }
      if (message.startsWith('spawn failed')) return { kind: 'not-started', why: 'other', detail: message }
      return { kind: 'lost', reason: message || 'the job failed at the target' }
    case 'starting':
    case 'running':
    case 'lost':
      return { kind: 'lost', reason: 'what looked after the job at the target is gone' }
  }
}

const notStarted = (code: number, detail: string): ExecResult => ({
  kind: 'not-started',
  why: code === 127 ? 'not-found' : 'not-executable',
  detail,
})
