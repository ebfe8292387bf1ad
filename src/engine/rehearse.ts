/** `hostops rollback RUN --check`: whether all that taking a run back would need is still there. Changes nothing. */
import { Failed } from '../failure.ts'
import type { CheckFinding } from '../steps/contract/step.ts'
import { finishUnchanged, reportFindings } from './findings.ts'
import { startEvent } from './plan.ts'
import { rollbackScope } from './rollback.ts'
import { recallStep } from './run.ts'
import type { RunEnd, RunInput, StartedRun } from './run-input.ts'
import { newRun, type Run } from './run-state.ts'
import { contextFor, makeReady, type StepState } from './step-state.ts'
import { hasWayBack, withoutWayBack } from './verification.ts'

/** Findings come as `checked` events. Never rejects. */
export function startRehearsal(input: RunInput): StartedRun {
  const run = newRun(input)
  return { control: run.stops.control, ended: rehearse(run) }
}

async function rehearse(run: Run): Promise<RunEnd> {
  const { emit, input, states } = run
  emit(startEvent(input))
  for (const state of states) recallStep(run, state)
  const { steps, stopsAt } = rollbackScope(states)
  const find = async (state: StepState) =>
    state === stopsAt ? [pointOfNoReturn(state.planned.id)] : look(run, state)
  const { failed } = await reportFindings(run, stopsAt ? [stopsAt, ...steps] : steps, find, 'go-on')
  return finishUnchanged(run, failed)
}

async function look(run: Run, state: StepState): Promise<CheckFinding[]> {
  const { kind, planned } = state
  const { snapshot } = state.progress
  if (!hasWayBack(state)) return stuck(state)
  if (!kind.undo?.rehearse || snapshot === undefined) return []
  const context = contextFor(run.input, state, {
    phase: 'rehearse',
    timeoutMs: planned.timeoutMs,
    signal: run.stops.steps,
  })
  return kind.undo.rehearse(context, makeReady(state, run.known).input, snapshot)
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
