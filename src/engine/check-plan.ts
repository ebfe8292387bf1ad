/** `--check`: what would change, by read-only probes, and the hash that a later run can be held to. */
import type { Json } from '../document/json.ts'
import type { CheckFinding } from '../steps/contract/step.ts'
import { finishUnchanged, reportFindings } from './findings.ts'
import { shortHash } from './hash.ts'
import { type PlannedStep, startEvent, warningEvents } from './plan.ts'
import type { RunEnd, RunInput, StartedRun } from './run-input.ts'
import { newRun, type Run } from './run-state.ts'
import { canBeReady, contextFor, makeReady, type StepState, whenHolds } from './step-state.ts'

/** Findings come as `checked` events, then `plan-hashed`. Never rejects. */
export function startCheck(input: RunInput): StartedRun {
  const run = newRun(input)
  return { control: run.stops.control, ended: checkPlan(run) }
}

async function checkPlan(run: Run): Promise<RunEnd> {
  const { emit, input, states } = run
  const { plan } = input
  emit(startEvent(input))
  for (const warning of warningEvents(input.warnings)) emit(warning)
  const { seen, failed } = await reportFindings(run, states, state => checkStep(run, state), 'stop')
  if (failed === null) emit({ type: 'plan-hashed', hash: shortHash({ plan: plan as unknown as Json, seen }) })
  return finishUnchanged(run, failed)
}

async function checkStep({ input, known, stops }: Run, state: StepState): Promise<CheckFinding[]> {
  const { kind, planned } = state
  if (!kind.look?.check) return foretold(planned)
  if (!canBeReady(state, known)) return [{ text: 'depends on steps that have not run', seen: null }]
  if (typeof planned.when === 'boolean' && !whenHolds(state, known)) return []
  const ready = makeReady(state, known)
  const { timeoutMs } = planned
  const context = contextFor(input, state, { phase: 'check', timeoutMs, signal: stops.steps })
  return kind.look.check(context, ready.input)
}

/** Of a step that no probe can look ahead for: that it would run, and not a word about what comes of it. */
function foretold({ effect, when }: PlannedStep): CheckFinding[] {
  if (when === false || effect === 'read' || effect === 'fetch') return []
  const runs = when === null || when === true ? 'would run' : 'would run where its condition holds'
  return [{ text: `${runs} (${effect ?? 'effect unknown'}): what it changes is known only then`, seen: null }]
}
