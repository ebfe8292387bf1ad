/** Whether all is still there that taking a run back by hand would need, asked before anything moves. */
import type { Failure } from '../failure.ts'
import type { CheckFinding } from '../steps/contract/step.ts'
import { toFailure } from './attempt.ts'
import { rollbackScope } from './rollback.ts'
import type { Run } from './run-state.ts'
import { contextFor, type StepState } from './step-state.ts'

/** Null: it is. A point of no return is no gap: it was known when the run was begun. */
export async function missingFromSet(run: Run): Promise<Failure | null> {
  try {
    const findings = await Promise.all(rollbackScope(run.states).steps.map(state => rehearse(run, state)))
    const failure = findings.flat().find(finding => finding.failure)?.failure
    return failure ? withRun(failure, run.input.runId) : null
  } catch (error) {
    return toFailure(error)
  }
}

/** Side by side with the other steps, which look at the same images. */
async function rehearse({ input, stops }: Run, state: StepState): Promise<CheckFinding[]> {
  const { kind, planned, ready } = state
  const { snapshot } = state.progress
  if (!kind.undo?.rehearse || !ready || snapshot === undefined) return []
  const context = contextFor(input, state, {
    phase: 'rehearse',
    timeoutMs: planned.timeoutMs,
    signal: stops.rollback,
    looks: input.looks,
  })
  return kind.undo.rehearse(context, ready.input, snapshot)
}

const withRun = (failure: Failure, runId: string): Failure =>
  failure.code === 'pin-lost' || failure.code === 'rollback-set-missing' ? { ...failure, runId } : failure
