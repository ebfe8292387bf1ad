/**
 * A journal may be older than the host that it tells of: its disk turned read-only while the run went on, it came back
 * from a copy, somebody has worked by hand. So who goes on with a run asks first whether what was done still stands.
 */
import type { Failure } from '../failure.ts'
import { toFailure } from './attempt.ts'
import { readLostRecordMark } from './lost-record-mark.ts'
import type { Run } from './run-state.ts'
import { contextFor, isSkipped, type StepState } from './step-state.ts'

/** Null: nothing speaks against going on. Nothing is changed, whatever the answer. */
export async function checkStillDone(run: Run): Promise<Failure | null> {
  const { runId } = run.input
  try {
    const note = await readLostRecordMark(run.input)
    if (note !== null) return { code: 'record-incomplete', runId, outcome: note.outcome }
  } catch (error) {
    return toFailure(error)
  }
  for (const state of lastOfTheirKind(run.states)) {
    const because = await ask(run, state)
    if (because === null) continue
    if (isAboutAsking(because)) return because
    return { code: 'no-longer-holds', runId, step: state.planned.id, because }
  }
  return null
}

async function ask(run: Run, state: StepState): Promise<Failure | null> {
  const { kind, planned, ready, earlier, progress } = state
  if (!kind.look?.holds || !ready || earlier?.end?.status !== 'succeeded') return null
  const context = contextFor(run.input, state, {
    phase: 'holds',
    timeoutMs: planned.timeoutMs,
    signal: run.stops.steps,
  })
  try {
    await kind.look.holds(context, ready.input, earlier.end.outputs, progress.snapshot ?? null)
    return null
  } catch (error) {
    return toFailure(error)
  }
}

/** What a later step of the same kind has done to the same thing is what can be seen of it now. */
function lastOfTheirKind(states: readonly StepState[]): StepState[] {
  const last = new Map<string, StepState>()
  for (const state of states) {
    if (!state.progress.begun || !state.ready || isSkipped(state)) continue
    const about = state.kind.plan.locks?.(state.ready.input) ?? [state.planned.id]
    last.set(JSON.stringify([state.planned.uses, about]), state)
  }
  return [...last.values()]
}

function isAboutAsking({ code }: Failure): boolean {
  return code === 'unreachable' || code === 'auth-failed' || code === 'link-lost' || code === 'interrupted'
}
