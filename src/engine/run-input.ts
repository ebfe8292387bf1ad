/** What a run is given, how it is stopped, and how it ends. */

import type { Json } from '../document/json.ts'
import type { Failure } from '../failure.ts'
import type { Playbook } from '../playbook/playbook.ts'
import type { Sign, StepKind } from '../steps/contract/step.ts'
import type { Transport } from '../transport/transport.ts'
import type { By, Caller, Emit, Outcome } from './events.ts'
import type { LockInput } from './holder.ts'
import { type Hold, newHold } from './pause-probes.ts'
import type { Plan } from './plan.ts'
import { advance, type Progress, progressAfter } from './progress.ts'
import type { RecentReads } from './recent-reads.ts'
import { type Redactor, redactDeep, redactorOf } from './redact.ts'

export type Clock = {
  now(): number
  /** Resolves early, and quietly, when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** How the outside stops a run: the first call cancels and rolls back, the second one stops the rolling back. */
export type RunControl = {
  interrupt(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', by?: By | null): void
}

/** A deadline is a time of day: who waits for it may be another process, after a restart of the host. */
export type Confirmations = {
  deadlineIn(ms: number): number
  /** Resolves when `hostops confirm` comes, with null at the deadline or when the signal aborts. */
  wait(deadline: number, signal: AbortSignal): Promise<{ by: By | null } | null>
}

/** What may happen when a step runs, and cannot be known before. */
export type Warning = { id: string; text: string }

/** What is kept of a run: its journal. */
export type JournalHandle = {
  /** Of this one record: run ids may be given twice, in two state folders. */
  id(): string
  /** Whether all that was emitted is on the disk. */
  isWhole(): boolean
  /** Before anything is done: what was emitted until now, and what the run would be resumed from, is on the disk. */
  anchor(): Promise<void>
}

export type RunInput = {
  runId: string
  plan: Plan
  playbook: Playbook
  /** The registry: every kind that the plan uses is in it. */
  kinds: Readonly<Record<string, StepKind>>
  /** With the values of secrets. */
  inputs: { [name: string]: Json }
  env: { [name: string]: string }
  transport: Transport
  clock: Clock
  caller?: Caller | undefined
  /** Absent: nothing is locked (tests, and targets without a shell). */
  lock?: LockInput | undefined
  awaitConfirm?: Confirmations | undefined
  warnings?: readonly Warning[] | undefined
  /** What the journal of a runner that is gone tells; the run goes on from there. */
  recovered?: Progress | undefined
  /** What a person found out about the step whose end nobody saw. */
  assume?: 'done' | 'not-done' | undefined
  /** Taken back by hand although something of the rollback set is gone. */
  rebuild?: boolean | undefined
  /** Absent: nothing keeps what is emitted. */
  record?: JournalHandle | undefined
  /** What it throws for `step-started` ends that step before it acts; elsewhere it must not throw. */
  emit: Emit
}

/** A run that tells no secrets: so that no face, journal, log or report has to think of them. */
export type Guarded = RunInput & {
  readonly secrets: Redactor
  readonly hold: Hold
  readonly standing: Map<string, Sign>
  readonly looks: RecentReads
  /** By what it has emitted, from where an earlier runner left it. */
  readonly progress: Progress
}

export function guarded(input: RunInput): Guarded {
  const secrets = redactorOf(input)
  // A line of output was redacted before it was cut to its length.
  const redacted: Emit =
    secrets.reach === 0
      ? input.emit
      : event => input.emit(event.type === 'output' ? event : redactDeep(event, secrets))
  const progress = input.recovered ? structuredClone(input.recovered) : progressAfter([])
  return {
    ...input,
    secrets,
    hold: newHold(),
    standing: new Map(),
    looks: new Map(),
    progress,
    emit(event) {
      redacted(event)
      advance(progress, event)
    },
  }
}

export type RunEnd = {
  outcome: Outcome
  failedStep: string | null
  failure: Failure | null
  /** Of who went on with a run: nothing was done, so that all is as it was before. */
  idle?: true
  /** With `idle`: what was asked for is refused, which is no verdict on the run either. */
  refused?: true
}

export type StartedRun = { control: RunControl; ended: Promise<RunEnd> }
