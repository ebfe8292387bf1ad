/** Whether all is still there that taking a run back by hand would need, asked before anything moves. */
import type { Failure } from '../failure.ts'
import { toFailure } from './attempt.ts'
import { rollbackScope } from './rollback.ts'
import type { Run } from './run-state.ts'
import { contextFor } from './step-state.ts'

/** Null: it is. A point of no return is no gap: it was known when the run was begun. */
export async function missingFromSet(run: Run): Promise<Failure | null> {
  const { input, stops } = run
  try {
    for (const state of rollbackScope(run.states).steps) {
      const { kind, planned, ready, snapshot } = state
      if (!kind.undo?.rehearse || !ready || snapshot === undefined) continue
      const { timeoutMs } = planned
      const context = contextFor(input, state, { phase: 'rehearse', timeoutMs, signal: stops.rollback })
      const findings = await kind.undo.rehearse(context, ready.input, snapshot)
      const failure = findings.find(finding => finding.failure)?.failure
      if (failure) return withRun(failure, input.runId)
    }
    return null
  } catch (error) {
    return toFailure(error)
  }
}

const withRun = (failure: Failure, runId: string): Failure =>
  failure.code === 'pin-lost' || failure.code === 'rollback-set-missing' ? { ...failure, runId } : failure
