/** `--check`: what would change, by read-only probes, and the hash that a later run can be held to. */

import type { Json } from '../document/json.ts'
import type { Failure } from '../failure.ts'
import type { Scope } from '../playbook/expression.ts'
import type { CheckFinding } from '../steps/contract/step.ts'
import { toFailure } from './attempt.ts'
import { shortHash } from './hash.ts'
import { decideOutcome } from './outcome.ts'
import { type PlannedStep, startEvent, warningEvents } from './plan.ts'
import { redactDeep } from './redact.ts'
import { type Guarded, guarded, type RunEnd, type RunInput, type Running } from './run-input.ts'
import { scopeAtStart } from './scope.ts'
import { canBeReady, contextFor, makeReady, newStates, type StepState, whenHolds } from './step-state.ts'
import { makeStops } from './stop.ts'

/** Findings come as `checked` events, then `plan-hashed`. Never rejects. */
export function startCheck(given: RunInput): Running {
  const input = guarded(given)
  const stops = makeStops(input.clock, input.emit)
  const ended = execute(input, stops.steps).then(end => redactDeep(end, input.secrets))
  return { control: stops.control, ended }
}

async function execute(input: Guarded, signal: AbortSignal): Promise<RunEnd> {
  const { emit, plan } = input
  emit(startEvent(input))
  for (const warning of warningEvents(input.warnings)) emit(warning)
  const known = scopeAtStart(input)
  const seen: Json[] = []
  let failed: { step: string; failure: Failure } | null = null
  for (const state of newStates(input)) {
    const id = state.planned.id
    try {
      if (signal.aborted) throw signal.reason
      for (const finding of await check(input, state, known, signal)) {
        seen.push([id, finding.seen])
        emit({
          type: 'checked',
          id,
          text: finding.text,
          seen: finding.seen,
          failure: finding.failure ?? null,
        })
        if (finding.failure) failed ??= { step: id, failure: finding.failure }
      }
    } catch (error) {
      failed ??= { step: id, failure: toFailure(error) }
      break
    }
  }
  if (failed === null) emit({ type: 'plan-hashed', hash: shortHash({ plan: plan as unknown as Json, seen }) })
  const failure = failed?.failure ?? null
  const facts = { failure, acted: false, changed: false, couldChange: false, rollback: null }
  const end: RunEnd = {
    outcome: failure === null ? 'planned' : decideOutcome(facts),
    failedStep: failed?.step ?? null,
    failure,
  }
  emit({ type: 'run-finished', ...end })
  return end
}

async function check(
  input: Guarded,
  state: StepState,
  known: Scope,
  signal: AbortSignal,
): Promise<CheckFinding[]> {
  const { kind, planned } = state
  if (!kind.check) return foretold(planned)
  if (!canBeReady(state, known)) return [{ text: 'depends on steps that have not run', seen: null }]
  if (typeof planned.when === 'boolean' && !whenHolds(state, known)) return []
  const ready = makeReady(state, known)
  const context = contextFor(input, state, { phase: 'check', timeoutMs: planned.timeoutMs, signal })
  return await kind.check(context, ready.input)
}

/** Of a step that no probe can look ahead for: that it would run, and not a word about what comes of it. */
function foretold({ effect, when }: PlannedStep): CheckFinding[] {
  if (when === false || effect === 'read' || effect === 'fetch') return []
  const runs = when === null || when === true ? 'would run' : 'would run where its condition holds'
  return [{ text: `${runs} (${effect ?? 'effect unknown'}): what it changes is known only then`, seen: null }]
}
