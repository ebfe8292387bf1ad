/** A job at a hostlink daemon, found again after the link was lost: jobs survive links and daemons. */

import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Link, LinkFailure, Result } from '../hostlink/link/link.ts'
import type { OutputCollector } from './collect-output.ts'
import { followJob, type Got, type JobSource } from './follow-job.ts'
import type { WireCommand } from './hostlink-request.ts'
import { isBusy, resultOfFailure } from './hostlink-result.ts'
import type { Command, ExecOptions, ExecResult } from './transport.ts'

const WAIT_MS = 30_000
const CHUNK_BYTES = 256 * 1024
/** About half a minute in all: a daemon that is restarted is back by then. */
const RETRY_PAUSES_MS = [50, 100, 200, 400, 800, 1600, 3000, 5000, 8000, 12_000]
/** About six seconds: what may not be repeated was refused, and whoever waits wants to know. */
const REFUSED_TRIES = 7

export async function runHostlinkJob(
  link: Link,
  wire: WireCommand,
  command: Command,
  options: ExecOptions,
  output: OutputCollector,
): Promise<ExecResult> {
  const unfit = await badFolder(link, wire, output)
  if (unfit) return unfit
  const submitted = await submit(link, wire, options, output)
  if (!submitted.ok) return submitted.result
  options.onStart?.({ kind: 'job', job: submitted.value })
  return followJob(jobSource(link, submitted.value, output), command, output, options)
}

/** The existing daemon leaves a job with a bad folder `starting` for ever. */
async function badFolder(link: Link, wire: WireCommand, output: OutputCollector): Promise<ExecResult | null> {
  if (link.features.has('job_wait') || wire.cwd === undefined) return null
  const probe = await patiently(() => link.exec({ command: ':', cwd: wire.cwd!, timeoutMs: 5000 }), true)
  return probe.ok ? null : resultOfFailure(probe.failure, output)
}

async function submit(
  link: Link,
  wire: WireCommand,
  { key, timeoutMs, attachOnly }: ExecOptions,
  output: OutputCollector,
): Promise<Got<string>> {
  const keyed = link.features.has('key')
  // With a key of our own at least, a submission whose answer was lost can be repeated.
  const request = {
    ...wire,
    timeoutMs,
    attachOnly,
    key: keyed ? (wireKey(key) ?? `hostops-${crypto.randomUUID()}`) : undefined,
  }
  const result = await patiently(() => link.submitJob(request), keyed)
  if (result.ok) return { ok: true, value: result.value.jobId }
  const { failure } = result
  if (attachOnly && failure.kind === 'refused' && failure.status === 'not_found')
    return { ok: false, result: { kind: 'lost', reason: UNKNOWN_KEY } }
  return { ok: false, result: resultOfFailure(failure, output) }
}

export const UNKNOWN_KEY = 'the daemon knows no command of this key'

/** The wire takes at most 200 characters. */
export const wireKey = (key: string | undefined): string | undefined =>
  key === undefined || key.length <= 200 ? key : createHash('sha256').update(key).digest('hex')

function jobSource(link: Link, id: string, output: OutputCollector): JobSource {
  const got = <T>(result: Result<T>): Got<T> =>
    result.ok ? result : { ok: false, result: lost(resultOfFailure(result.failure, output)) }
  return {
    tail: async (stream, offset) => {
      const options = { stream, offset, maxBytes: CHUNK_BYTES, waitMs: WAIT_MS }
      const told = await patiently(() => link.jobTail(id, options), true)
      if (!told.ok) return got(told)
      const { bytes, next_offset: next, done = false } = told.value
      return { ok: true, value: { bytes, next, done } }
    },
    info: async () => got(await patiently(() => link.jobStatus(id), true)),
    cancel: async kill => {
      const result = await link.jobCancel(id, { kill })
      return result.ok && result.value
    },
  }
}

/** The job was begun, so that nothing which fails now can mean that it was not. */
const lost = (result: ExecResult): ExecResult => {
  if (result.kind === 'unreachable') return { kind: 'lost', reason: result.reason }
  if (result.kind === 'not-started') return { kind: 'lost', reason: result.detail }
  if (result.kind === 'denied') return { kind: 'lost', reason: `denied: ${result.rule}` }
  if (result.kind === 'auth-failed') return { kind: 'lost', reason: 'the daemon takes the token no more' }
  return result
}

/** `repeatable`: may be asked for again when it is not known whether it was heard. */
export async function patiently<T>(
  ask: () => Promise<Result<T>>,
  repeatable: boolean,
  signal?: AbortSignal,
): Promise<Result<T>> {
  for (const pause of repeatable ? RETRY_PAUSES_MS : RETRY_PAUSES_MS.slice(0, REFUSED_TRIES)) {
    const result = await ask()
    if (result.ok || signal?.aborted || !mayAskAgain(result.failure, repeatable)) return result
    await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {})
  }
  return ask()
}

function mayAskAgain(failure: LinkFailure, repeatable: boolean): boolean {
  if (isBusy(failure) || (failure.kind === 'lost' && !failure.sent)) return true
  return repeatable && (failure.kind === 'lost' || failure.kind === 'connect' || failure.kind === 'timeout')
}
