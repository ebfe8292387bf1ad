/** The engine: runs a plan on a target and tells everything as events. Draws nothing, words nothing, exits nothing. */
import type { Failure } from '../failure.ts'
import type { Playbook } from '../playbook/playbook.ts'
import type { Json } from '../steps/step.ts'
import type { Transport } from '../transport/transport.ts'
import type { Emit, Outcome } from './events.ts'
import type { Plan } from './plan.ts'

export type Clock = {
  now(): number
  /** Resolves early, and quietly, when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** How the outside stops a run: the first call cancels and rolls back, the second one stops the rolling back. */
export type RunControl = {
  interrupt(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void
}

export type RunInput = {
  runId: string
  plan: Plan
  playbook: Playbook
  /** With the values of secrets. */
  inputs: { [name: string]: Json }
  env: { [name: string]: string }
  transport: Transport
  clock: Clock
  emit: Emit
}

export type RunEnd = { outcome: Outcome; failedStep: string | null; failure: Failure | null }

export type Running = { control: RunControl; ended: Promise<RunEnd> }

/** Never rejects: whatever happens is an outcome. */
export declare function startRun(input: RunInput): Running

/** `--check`: read-only probes, findings as `checked` events, then `plan-hashed`. Never rejects. */
export declare function startCheck(input: RunInput): Running
