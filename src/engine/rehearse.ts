/** `hostops rollback RUN --check`: whether all that taking a run back would need is still there. Changes nothing. */
import { Failed, type Failure } from '../failure.ts'
import type { CheckFinding } from '../steps/contract/step.ts'
import { toFailure } from './attempt.ts'
import { decideOutcome } from './outcome.ts'
import { startEvent } from './plan.ts'
import { rollbackScope } from './rollback.ts'
import { takeOver } from './run.ts'
import type { RunEnd, RunInput, Running } from './run-input.ts'
import { newRun, type Run } from './run-state.ts'
import { contextFor, makeReady, type StepState } from './step-state.ts'
import { hasWayBack, withoutWayBack } from './verification.ts'

/** Findings come as `checked` events. Never rejects. */
export function startRehearsal(input: RunInput): Running {
  const run = newRun(input)
  return { control: run.stops.control, ended: rehearse(run) }
}

async function rehearse(run: Run): Promise<RunEnd> {
  const { emit, input, states, stops } = run
  emit(startEvent(input))
  for (const state of states) takeOver(run, state)
  const { steps, stopsAt } = rollbackScope(states)
  let failed: { step: string; failure: Failure } | null = null
  for (const state of stopsAt ? [stopsAt, ...steps] : steps) {
    const id = state.planned.id
    try {
      if (stops.steps.aborted) throw stops.steps.reason
      const findings = state === stopsAt ? [pointOfNoReturn(id)] : await look(run, state)
      for (const { text, seen, failure = null } of findings) {
        emit({ type: 'checked', id, text, seen, failure })
        if (failure) failed ??= { step: id, failure }
      }
    } catch (error) {
      failed ??= { step: id, failure: toFailure(error) }
      if (stops.steps.aborted) break
    }
  }
  const failure = failed?.failure ?? null
  const facts = { failure, acted: false, changed: false, couldChange: false, rollback: null }
  const outcome = failure === null ? 'planned' : decideOutcome(facts)
  const end = run.redact({ outcome, failedStep: failed?.step ?? null, failure })
  emit({ type: 'run-finished', ...end })
  return end
}

async function look(run: Run, state: StepState): Promise<CheckFinding[]> {
  const { kind, planned, snapshot } = state
  if (!hasWayBack(state)) return stuck(state)
  if (!kind.rehearse || snapshot === undefined) return []
  const context = contextFor(run.input, state, {
    phase: 'rehearse',
    timeoutMs: planned.timeoutMs,
    signal: run.stops.steps,
  })
  return kind.rehearse(context, makeReady(state, run.known).input, snapshot)
}

function stuck(state: StepState): CheckFinding[] {
  const step = state.planned.id
  if (withoutWayBack([state]).length > 0) throw new Failed({ code: 'no-way-back', step })
  return [{ text: 'has no undo: nothing of it would be taken back', seen: null }]
}

const pointOfNoReturn = (step: string): CheckFinding => ({
  text: 'cannot be taken back, and nothing before it',
  seen: null,
  failure: { code: 'irreversible', step },
})
