/** What a check and a rehearsal share: findings step by step, the first failure, and an end before any change. */
import type { Json } from '../document/json.ts'
import type { Failure } from '../failure.ts'
import type { CheckFinding } from '../steps/contract/step.ts'
import { toFailure } from './attempt.ts'
import { beforeAnyChange } from './outcome.ts'
import type { RunEnd } from './run-input.ts'
import type { Run } from './run-state.ts'
import type { StepState } from './step-state.ts'

type StepFailure = { step: string; failure: Failure }

/** Emits what is found out about each step. `onError`: whether the next step is still asked when one could not be. */
export async function reportFindings(
  { emit, stops }: Run,
  states: readonly StepState[],
  find: (state: StepState) => Promise<CheckFinding[]>,
  onError: 'stop' | 'go-on',
): Promise<{ seen: Json[]; failed: StepFailure | null }> {
  const found: Json[] = []
  let failed: StepFailure | null = null
  for (const state of states) {
    const id = state.planned.id
    try {
      if (stops.steps.aborted) throw stops.steps.reason
      for (const { text, seen, failure = null } of await find(state)) {
        found.push([id, seen])
        emit({ type: 'checked', id, text, seen, failure })
        if (failure) failed ??= { step: id, failure }
      }
    } catch (error) {
      failed ??= { step: id, failure: toFailure(error) }
      if (onError === 'stop' || stops.steps.aborted) break
    }
  }
  return { seen: found, failed }
}

export function finishUnchanged(run: Run, failed: StepFailure | null): RunEnd {
  const failure = failed?.failure ?? null
  const outcome = failure === null ? 'planned' : beforeAnyChange(failure)
  const end = run.redact({ outcome, failedStep: failed?.step ?? null, failure } as const)
  run.emit({ type: 'run-finished', ...end })
  return end
}
