/** What steps do beside the run: observing it from the first change to its end, and tidying up after a good one. */
import type { Facts } from '../steps/contract/step.ts'
import { toFailure } from './attempt.ts'
import type { Run } from './run-state.ts'
import { contextFor, type StepState } from './step-state.ts'

const NO_LIMIT_MS = 2 ** 31 - 1
const TIDY_MS = 60_000

export function startObserving(run: Run, states: readonly StepState[]): void {
  for (const state of states) {
    const { kind, planned, ready } = state
    const { snapshot } = state.progress
    if (!kind.look?.observe || !ready || snapshot === undefined) continue
    const ended = new AbortController()
    // Neither a stop nor a rollback ends it: the end of the run does.
    const done = new AbortController()
    const context = contextFor(run.input, state, {
      phase: 'observe',
      timeoutMs: NO_LIMIT_MS,
      signal: done.signal,
    })
    const facts = kind.look.observe(context, ready.input, snapshot, ended.signal).catch((): Facts => ({}))
    run.observations.push({ id: planned.id, ended, done, facts })
  }
}

export async function stopObserving(run: Run): Promise<void> {
  for (const { ended } of run.observations) ended.abort()
  for (const { id, done, facts } of run.observations.splice(0)) {
    run.emit({ type: 'observed', id, facts: await facts })
    done.abort()
  }
}

/** What cannot be tidied up is told, and is no failure of the run. */
export async function tidyUp(run: Run, takenBack: boolean): Promise<void> {
  const { emit, input, stops } = run
  for (const state of run.states) {
    const { kind, planned, ready } = state
    const { snapshot } = state.progress
    if (!kind.undo?.tidy || !ready || snapshot === undefined || stops.steps.aborted) continue
    try {
      const context = contextFor(input, state, {
        phase: 'tidy',
        timeoutMs: TIDY_MS,
        signal: stops.steps,
      })
      await kind.undo.tidy(context, ready.input, snapshot, takenBack)
    } catch (error) {
      emit({ type: 'said', id: planned.id, phase: 'tidy', line: `not tidied up: ${toFailure(error).code}` })
    }
  }
}
