/**
 * A run whose link was lost is asked for again: what was in flight tells how it ended, steps that only read are done,
 * and nothing else is. So the end may come to be known; where steps are left, it is known where the run stands.
 */
import type { Failure } from '../failure.ts'
import { announce, endOfRun, recallStep } from './run.ts'
import type { RunEnd, RunInput } from './run-input.ts'
import { newRun, type Run } from './run-state.ts'
import { askForStep, runStep } from './run-step.ts'
import { makeReady, type StepState } from './step-state.ts'
import { checkStillDone } from './still-done.ts'

/** Never rejects. `unknown` where nobody could tell how the step in flight ended: then nothing is known that was not before. */
export async function reconcileRun(input: RunInput): Promise<RunEnd> {
  const run = newRun(input)
  for (const state of run.states) recallStep(run, state)
  announce(run)
  const end = run.redact(await ask(run))
  run.emit({ type: 'run-finished', ...end })
  return end
}

async function ask(run: Run): Promise<RunEnd> {
  const against = await checkStillDone(run)
  if (against !== null) return { outcome: 'unknown', failedStep: null, failure: against }
  for (const [at, state] of run.states.entries()) {
    const failure = await learn(run, state)
    if (failure === null) continue
    const later = run.states.slice(at + 1).filter(({ planned }) => planned.when !== false)
    if (failure === 'left') return halfWay(run, null, [state, ...later])
    const step = state.planned.id
    // Begun again by nobody, and not known to have ended.
    if (isUnknown(failure)) return { outcome: 'unknown', failedStep: step, failure }
    return halfWay(run, { step, failure }, later)
  }
  return endOfRun(run, null, null)
}

function halfWay(
  run: Run,
  failed: { step: string; failure: Failure } | null,
  left: readonly StepState[],
): RunEnd {
  const step = failed?.step ?? null
  const failure: Failure = {
    code: 'half-way',
    runId: run.input.runId,
    step,
    failed: failed?.failure ?? null,
    left: left.map(({ planned }) => planned.id),
  }
  return endOfRun(run, { step, failure }, null)
}

/** Null: it ended well. */
async function learn(run: Run, state: StepState): Promise<Failure | null | 'left'> {
  const earlier = recallStep(run, state)
  if (earlier !== 'to-do') return earlier
  if (state.progress.begun) return askForStep(run, state)
  return onlyReads(run, state) ? runStep(run, state) : 'left'
}

function onlyReads(run: Run, state: StepState): boolean {
  try {
    return makeReady(state, run.known).effect === 'read'
  } catch {
    return false
  }
}

const isUnknown = ({ code }: Failure) =>
  code === 'end-not-seen' || code === 'link-lost' || code === 'unreachable' || code === 'auth-failed'
