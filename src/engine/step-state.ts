/** What the engine knows of each step while it runs: what is planned, and how far it has come. */

import type { Json } from '../document/json.ts'
import { Failed } from '../failure.ts'
import type { Scope } from '../playbook/expression.ts'
import { evaluate, resolveTemplate } from '../playbook/resolve.ts'
import { hasExpressions } from '../playbook/template.ts'
import type { Confirmer, Effect, StepContext, StepKind } from '../steps/contract/step.ts'
import type { Movement } from './events.ts'
import type { PlannedStep } from './plan.ts'
import { type StepProgress, stepOf } from './progress.ts'
import type { RecentReads } from './recent-reads.ts'
import type { Guarded } from './run-input.ts'
import { stepContext } from './step-context.ts'

export type Ready = {
  /** The validated `with`. */
  input: unknown
  effect: Effect
  env: Record<string, string>
  cwd: string | undefined
}

export type StepState = {
  readonly planned: PlannedStep
  readonly kind: StepKind
  ready: Ready | null
  /** By the events until now. */
  readonly progress: Readonly<StepProgress>
  /** What an earlier runner left behind of it. */
  readonly earlier: Readonly<StepProgress> | null
}

export function newStates({ plan, kinds, progress, recovered }: Guarded): StepState[] {
  return plan.steps.map(planned => {
    const kind = kinds[planned.uses]
    if (!kind) throw new Failed({ code: 'internal', problem: `no step kind ${planned.uses}` })
    const earlier = recovered?.steps.get(planned.id) ?? null
    return { planned, kind, ready: null, progress: stepOf(progress, planned.id), earlier }
  })
}

/** It may have changed the host, whatever its end. */
export const hasActed = ({ progress, ready }: StepState): boolean =>
  progress.begun && ready !== null && mayChange(ready.effect)

/** Null: nobody looked, or nobody saw its end. */
export const hasChanged = (state: StepState): boolean | null =>
  state.progress.end ? state.progress.end.changed : hasActed(state) ? null : false

export const isSkipped = ({ progress }: StepState): boolean => progress.end?.status === 'skipped'

export const mayChange = (effect: Effect): boolean => effect !== 'read' && effect !== 'fetch'

/** Resolves and validates what a step was given; throws `Failed` when a value is not there or not right. */
export function makeReady(state: StepState, known: Scope): Ready {
  if (state.ready) return state.ready
  const { planned, kind } = state
  const given = evaluate(planned.with, known, `${planned.id}: with`)
  const parsed = kind.schema().safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(issue => `${issue.path.join('.') || 'with'}: ${issue.message}`)
    throw new Failed({ code: 'step-input-invalid', step: planned.id, problems })
  }
  const env = evaluate(planned.env, known, `${planned.id}: env`) as Record<string, Json>
  const cwd = evaluate(planned.cwd, known, `${planned.id}: cwd`)
  state.ready = {
    input: parsed.data,
    effect: kind.plan.effect(parsed.data),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, asText(value)])),
    cwd: cwd === null ? undefined : asText(cwd),
  }
  return state.ready
}

/** What was begun, with nobody there to see its end, may be done again. */
export const mayRepeat = ({ kind, ready }: StepState): boolean =>
  ready !== null && (!mayChange(ready.effect) || (kind.plan.repeatable?.(ready.input) ?? false))

/** Whether all that the step was given can be known from this scope. */
export function canBeReady(state: StepState, known: Scope): boolean {
  const { with: given, env, cwd, id } = state.planned
  return [given, env, cwd].every(part => !hasExpressions(resolveTemplate(part, known, id)))
}

export function whenHolds(state: StepState, known: Scope): boolean {
  const { when, id } = state.planned
  if (when === null || typeof when === 'boolean') return when !== false
  return evaluate(when, known, `${id}: when`) === true
}

/** Of these steps, in order: whether one waits until what was started stands, before any changes something. Pure. */
export function standsAmong(steps: readonly StepState[], known: Scope): boolean {
  for (const state of steps) {
    const { planned, kind } = state
    try {
      if (!whenHolds(state, known)) continue
    } catch {
      return false
    }
    if (kind.plan.stands) return !planned.continueOnError
    if (planned.effect === null || mayChange(planned.effect)) return false
  }
  return false
}

export function contextFor(
  run: Guarded,
  state: StepState,
  options: {
    phase: string
    timeoutMs: number
    signal: AbortSignal
    onRan?: () => void
    attachOnly?: boolean
    movement?: Movement | null
    standsLater?: () => boolean
    isHurried?: boolean
    touchedSince?: boolean
    evidenceKept?: Promise<unknown>
    looks?: RecentReads
    looksAnew?: boolean
  },
): StepContext {
  return stepContext({
    runId: run.runId,
    stepId: state.planned.id,
    phase: options.phase,
    transport: run.transport,
    clock: run.clock,
    emit: run.emit,
    secrets: run.secrets,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
    env: state.ready?.env ?? {},
    cwd: state.ready?.cwd,
    hold: run.hold,
    stateFolder: run.transport.name === 'local' ? (run.lock?.holder.state ?? null) : null,
    movement: options.movement,
    standing: run.standing,
    standsLater: options.standsLater,
    isHurried: options.isHurried,
    touchedSince: options.touchedSince,
    evidenceKept: options.evidenceKept,
    outputsOf: uses => outputsOf(run, uses),
    confirmed: confirmation(run, state, options.signal),
    onRan: options.onRan,
    attachOnly: options.attachOnly,
    looks: options.looks,
    looksAnew: options.looksAnew,
  })
}

/** Of the steps of a kind that have succeeded. */
const outputsOf = ({ plan, progress }: Guarded, uses: string): { [output: string]: Json }[] =>
  plan.steps.flatMap(step => {
    const end = step.uses === uses ? progress.steps.get(step.id)?.end : null
    return end?.status === 'succeeded' ? [end.outputs] : []
  })

/** A deadline that was set stays, whoever waits for it in the end. */
function confirmation(run: Guarded, state: StepState, signal: AbortSignal) {
  const { awaitConfirm, emit } = run
  if (!awaitConfirm) return null
  return async (withinMs: number, confirmer: Confirmer) => {
    const { id } = state.planned
    const deadline = state.earlier?.deadline ?? awaitConfirm.deadlineIn(withinMs)
    emit({ type: 'confirm-awaited', id, deadline, confirmer })
    const confirmed = await awaitConfirm.wait(deadline, signal)
    if (confirmed !== null) emit({ type: 'confirmed', id, by: confirmed.by })
    return confirmed !== null
  }
}

const asText = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))
