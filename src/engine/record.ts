/** What the host was like before the first change: all that a rollback will have to go by. */
import { startObserving } from './beside.ts'
import type { Run } from './run-state.ts'
import { canBeReady, contextFor, makeReady, type StepState } from './state.ts'

/**
 * Before the first change, the state of everything that the run may change is recorded: for all steps at once, since
 * the first change may already hide what a later step would have to put back. Steps that need the output of others
 * are recorded when their turn comes.
 */
export async function recordBefore(run: Run, due: StepState): Promise<void> {
  const { emit, input } = run
  const startedAt = input.clock.now()
  const known = run.known
  const waiting = run.recorded
    ? [due]
    : run.states.filter(state => state === due || (isPlanned(state) && canBeReady(state, known)))
  run.recorded = true
  const missing = waiting.filter(state => state.kind.snapshot && state.snapshot === undefined)
  if (missing.length > 0) emit({ type: 'snapshot-started' })
  for (const state of waiting) {
    const ready = makeReady(state, known)
    if (!missing.includes(state)) continue
    const context = contextFor(input, state, {
      phase: 'snapshot',
      timeoutMs: state.planned.timeoutMs,
      signal: run.stops.steps,
    })
    state.snapshot = await state.kind.snapshot!(context, ready.input)
    emit({ type: 'recorded', id: state.planned.id, snapshot: state.snapshot })
  }
  startObserving(run, missing)
  if (missing.length > 0) emit({ type: 'snapshot-finished', durationMs: input.clock.now() - startedAt })
}

/** What is certainly skipped may lack the very input that its condition asks for. */
const isPlanned = (state: StepState) => state.planned.when !== false && state.status !== 'skipped'
