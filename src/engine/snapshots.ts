/** What the host was like before the first change: all that a rollback will have to go by. */

import type { Json } from '../document/json.ts'
import { startObserving } from './observe.ts'
import type { Run } from './run-state.ts'
import { canBeReady, contextFor, isSkipped, makeReady, type StepState } from './step-state.ts'

/**
 * Before the first change, the state of everything that the run may change is recorded: for all steps at once, since
 * the first change may already hide what a later step would have to put back. Side by side, and what several of them look
 * at is looked at once. Steps that need the output of others are recorded when their turn comes.
 */
export async function recordBefore(run: Run, due: StepState): Promise<void> {
  const { emit, input } = run
  const startedAt = input.clock.now()
  const known = run.known
  const waiting = run.recorded
    ? [due]
    : run.states.filter(state => state === due || (isPlanned(state) && canBeReady(state, known)))
  run.recorded = true
  for (const state of waiting) makeReady(state, known)
  const missing = waiting.filter(state => state.kind.act.snapshot && state.progress.snapshot === undefined)
  if (missing.length > 0) emit({ type: 'snapshot-started' })
  const taken = await Promise.allSettled(missing.map(state => take(run, state)))
  for (const [at, state] of missing.entries()) {
    const one = taken[at]!
    if (one.status === 'rejected') continue
    emit({ type: 'recorded', id: state.planned.id, snapshot: one.value })
  }
  const failed = taken.find(one => one.status === 'rejected')
  if (failed) throw failed.reason
  startObserving(run, missing)
  if (missing.length > 0) emit({ type: 'snapshot-finished', durationMs: input.clock.now() - startedAt })
}

async function take(run: Run, state: StepState): Promise<Json> {
  const { timeoutMs } = state.planned
  const context = contextFor(run.input, state, {
    phase: 'snapshot',
    timeoutMs,
    signal: run.stops.steps,
    looks: run.input.looks,
  })
  return state.kind.act.snapshot!(context, state.ready!.input)
}

/** What is certainly skipped may lack the very input that its condition asks for. */
const isPlanned = (state: StepState) => state.planned.when !== false && !isSkipped(state)
