/** One step to its end: attempts, backoff, its own time. */
import { Failed, type Failure } from '../failure.ts'
import type { Retry } from '../playbook/playbook.ts'
import type { StepResult } from '../steps/contract/step.ts'
import type { Emit } from './events.ts'
import { mayRetry } from './outcome.ts'
import type { Clock } from './run-input.ts'

export type Attempts =
  | { ok: true; result: StepResult; attempts: number }
  | {
      ok: false
      failure: Failure
      attempts: number
      /** The target was gone before the first command, or refused it. */
      untouched?: boolean
    }

export async function attemptStep(options: {
  id: string
  retry: Retry
  /** 1, or the attempt that an earlier runner did not see the end of. */
  first: number
  signal: AbortSignal
  clock: Clock
  emit: Emit
  /** Called before each attempt; what it throws ends the step before it acted. */
  announce(attempt: number): void
  act(attempt: number): Promise<StepResult>
}): Promise<Attempts> {
  const { retry, signal } = options
  for (let attempt = options.first; ; attempt += 1) {
    try {
      options.announce(attempt)
      return { ok: true, result: await options.act(attempt), attempts: attempt }
    } catch (error) {
      const failure = toFailure(error)
      if (attempt >= retry.attempts || !mayRetry(failure) || signal.aborted) {
        return { ok: false, failure: signal.aborted ? stopped(signal, failure) : failure, attempts: attempt }
      }
      const delayMs = Math.min(retry.delayMs * retry.backoff ** (attempt - 1), retry.maxDelayMs)
      options.emit({ type: 'step-retrying', id: options.id, attempt, delayMs, failure })
      await options.clock.sleep(delayMs, signal)
      if (signal.aborted) return { ok: false, failure: stopped(signal, failure), attempts: attempt }
    }
  }
}

export const toFailure = (error: unknown): Failure =>
  error instanceof Failed
    ? error.failure
    : { code: 'internal', problem: error instanceof Error ? (error.stack ?? error.message) : String(error) }

/** A lost link stays one: whether the command ended is unknown, however the run was stopped. */
const stopped = (signal: AbortSignal, failure: Failure): Failure =>
  failure.code === 'link-lost' || !(signal.reason instanceof Failed) ? failure : signal.reason.failure
