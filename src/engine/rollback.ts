/**
 * The way back in three movements: restore in reverse order, beside each other where they touch different things, reactivate
 * in forward order, verify. Goes on past a failed part, and says what remains.
 */
import type { Failure } from '../failure.ts'
import { type Facts, RUNNING } from '../steps/contract/step.ts'
import { toFailure } from './attempt.ts'
import type { Emit, Event, Movement } from './events.ts'
import type { RollbackEnd } from './outcome.ts'
import { type PartProgress, partKey } from './progress.ts'
import type { Guarded } from './run-input.ts'
import { contextFor, hasActed, isSkipped, type StepState } from './step-state.ts'
import { movesOf, type PartEnd, type StepObservation, verification, withoutWayBack } from './verification.ts'

type Part = { movement: Movement; state: StepState }

/** The steps that a rollback takes back, and the step that it must not go past. Pure. */
export function rollbackScope(states: readonly StepState[]): {
  steps: StepState[]
  stopsAt: StepState | null
} {
  const begun = states.filter(hasActed)
  const last = begun.findLastIndex(state => state.ready?.effect === 'irreversible')
  return { steps: begun.slice(last + 1), stopsAt: last < 0 ? null : begun[last]! }
}

/** What brings a running system back outlives its caller. Pure. */
export const willReactivate = (states: readonly StepState[]): boolean =>
  rollbackScope(states).steps.some(({ kind, ready }) => kind.undo?.reactivate && ready?.effect === 'disrupt')

/** Whether what runs may have been touched, or nobody can say what was. Pure. */
const mayHaveTouchedRunning = (scope: readonly StepState[]): boolean =>
  scope.some(state => touchesOf(state) === null || state.ready?.effect === 'disrupt')

/** Pure: what will be done, in order, and what nothing can be done about. */
function rollbackParts(
  verified: readonly StepState[],
  scope: readonly StepState[],
): { parts: Part[]; remains: Failure[] } {
  const isTouched = mayHaveTouchedRunning(scope)
  // What nobody has touched is not waited for.
  const isWorthALook = (state: StepState) =>
    !isSkipped(state) && (!state.kind.plan.stands || isTouched || scope.includes(state))
  const partsIn = (movement: Movement, states: readonly StepState[]): Part[] =>
    states.filter(state => movesOf(state).includes(movement)).map(state => ({ movement, state }))
  const parts = [
    ...partsIn('restore', [...scope].reverse()),
    ...partsIn('reactivate', scope),
    ...partsIn('verify', verified.filter(isWorthALook)),
  ]
  const remains: Failure[] = withoutWayBack(scope).map(({ planned }) => ({
    code: 'no-way-back',
    step: planned.id,
  }))
  return { parts, remains }
}

export async function rollBack(options: {
  run: Guarded
  states: readonly StepState[]
  because: Failure
  emit: Emit
  /** Parts that an earlier runner began. */
  earlier?: ReadonlyMap<string, PartProgress> | undefined
  /** Complete once this is resolved, which never rejects. */
  evidence: Promise<unknown>
  /** Called when it was told, before the first part. */
  onBegun?: (() => Promise<void>) | undefined
  /** Whose the lock is by now: nothing more is taken back beside them. */
  lost: () => Failure | null
  /** Aborted by a second interrupt, or when the rollback's own time is over. */
  signal: AbortSignal
}): Promise<RollbackEnd> {
  const { states, emit, signal } = options
  const looks: StepObservation[] = []
  const run: Guarded = {
    ...options.run,
    emit(event) {
      if (event.type === 'saw' && event.movement === 'verify') looks.push(event)
      options.run.emit(event)
    },
  }
  const startedAt = run.clock.now()
  const { steps, stopsAt } = rollbackScope(states)
  // Behind a point of no return the host cannot be as it was: only what was taken back is worth verifying.
  const { parts, remains } = rollbackParts(stopsAt ? steps : states, steps)
  emit({
    type: 'rollback-started',
    because: options.because,
    steps: steps.map(state => state.planned.id),
    stopsAt: stopsAt?.planned.id ?? null,
  })
  await options.onBegun?.()
  if (stopsAt) remains.push({ code: 'irreversible', step: stopsAt.planned.id })
  let changedSomething = false
  const ends: PartEnd[] = []
  const take = (end: PartEnd) => {
    emit(end)
    ends.push(end)
    changedSomething ||= end.changed
  }
  const earlierOf = ({ movement, state }: Part) => options.earlier?.get(partKey(movement, state.planned.id))
  const restores = parts.filter(part => part.movement === 'restore' && !earlierOf(part)?.ended)
  const restoredNow = restores.length > 0
  const begin = (part: Part) => {
    const { movement, state } = part
    if (!signal.aborted && options.lost() === null)
      return runPart(run, part, {
        times: timesOf(earlierOf(part), isAfresh(movement, restoredNow)),
        signal,
        touchedSince: mayHaveTouchedRunning(steps.slice(steps.indexOf(state) + 1)),
        evidenceKept: options.evidence,
      })
    remains.push({ code: 'not-done', movement, step: state.planned.id })
    return null
  }
  changedSomething = parts.some(part => part.movement !== 'verify' && earlierOf(part) !== undefined)
  // A part that nobody saw the end of is done again: what takes back is safe to do twice, by contract.
  await besideOthers(restores, options.evidence, async part => {
    const end = await begin(part)
    if (end !== null) take(end)
  })
  const isDone = (part: Part) => !restoredNow && earlierOf(part)?.ended
  for (const part of parts.filter(part => part.movement === 'reactivate' && !isDone(part))) {
    if (!part.state.kind.undo?.readsFirst) await options.evidence
    const end = await begin(part)
    if (end !== null) take(end)
  }
  await options.evidence
  // Looks, of which none waits for another: at once, and told in their order.
  const looking = parts.filter(({ movement }) => movement === 'verify').map(begin)
  for (const look of looking) if (look !== null) take(await look)
  const lost = options.lost()
  if (lost !== null && remains.some(({ code }) => code === 'not-done')) remains.unshift(lost)
  const { verified, notVerified } = verification({ scope: steps, ends, looks, remains: remains.length > 0 })
  const durationMs = run.clock.now() - startedAt
  emit({ type: 'rollback-finished', verified, notVerified, remains, durationMs })
  return { changedSomething, verified }
}

/**
 * In this order where they may touch the same thing, else side by side. What may touch anything might destroy the cause: it
 * waits for the evidence.
 */
async function besideOthers(
  parts: readonly Part[],
  evidence: Promise<unknown>,
  act: (part: Part) => Promise<void>,
): Promise<void> {
  const gathering = { touches: [RUNNING], ended: evidence }
  const begun: { touches: Touches; ended: Promise<unknown> }[] = []
  for (const part of parts) {
    const touches = touchesOf(part.state)
    const others = [gathering, ...begun].filter(each => doMeet(each.touches, touches))
    const before = others.map(({ ended }) => ended)
    begun.push({ touches, ended: Promise.all(before).then(() => act(part)) })
  }
  await Promise.all(begun.map(({ ended }) => ended))
}

/** Null: it may be anything. */
type Touches = readonly string[] | null
const touchesOf = ({ kind, ready }: StepState): Touches =>
  ready === null ? null : (kind.plan.touches?.(ready.input) ?? null)
const doMeet = (one: Touches, other: Touches): boolean =>
  one === null || other === null || one.some(thing => other.includes(thing))

/** What was reactivated before everything was restored follows a state that is no more; what is looked at may be another. */
const isAfresh = (movement: Movement, restoredNow: boolean): boolean =>
  movement === 'verify' || (movement === 'reactivate' && restoredNow)

/**
 * Which time it is that a part is begun now. Its commands are named by it, so that one whose end nobody saw is asked
 * for again where it was started, and one that ended is never taken for the next one.
 */
const timesOf = (before: PartProgress | undefined, afresh: boolean): number => {
  if (before === undefined) return 1
  return before.ended === null && !afresh ? before.times : before.times + 1
}

/** Never rejects. */
async function runPart(
  run: Guarded,
  { movement, state }: Part,
  {
    times,
    ...around
  }: { times: number; signal: AbortSignal; touchedSince: boolean; evidenceKept: Promise<unknown> },
): Promise<PartEnd> {
  const id = state.planned.id
  const startedAt = run.clock.now()
  run.emit({ type: 'part-started', movement, id, times })
  let changed = false
  let facts: Facts = {}
  let failure: Failure | null = null
  try {
    const { timeoutMs } = state.planned
    const phase = times === 1 ? movement : `${movement}.${times}`
    const context = contextFor(run, state, { phase, timeoutMs, movement, ...around })
    const result = await state.kind.undo![movement]!(
      context,
      state.ready!.input,
      state.progress.snapshot ?? null,
    )
    changed = result.changed !== false
    facts = result.facts ?? {}
  } catch (error) {
    failure = toFailure(error)
    // Half of a restore may have happened; only a verified end says otherwise.
    changed = movement !== 'verify'
  }
  const durationMs = run.clock.now() - startedAt
  return { type: 'part-finished', movement, id, durationMs, changed, facts, failure }
}

/**
 * Kept before anything is made to run again: a rollback must not destroy the cause. Answers with the failure as it is
 * known then. Never rejects.
 */
export async function keepEvidence(options: {
  run: Guarded
  states: readonly StepState[]
  because: Failure
  emit: Emit
  signal: AbortSignal
}): Promise<Failure> {
  const asked = options.states.flatMap(state => gather(options, state) ?? [])
  let { because } = options
  for (const gathered of asked) {
    const { event, failure } = await gathered
    options.emit(event)
    because = failure ?? because
  }
  return because
}

function gather(
  { run, because, signal }: { run: Guarded; because: Failure; signal: AbortSignal },
  state: StepState,
): Promise<{ event: Event; failure?: Failure | undefined }> | null {
  const { kind, ready, planned, progress } = state
  if (!kind.look?.evidence || !ready || isSkipped(state) || !progress.begun || signal.aborted) return null
  const { looks } = run
  const context = contextFor(run, state, { phase: 'evidence', timeoutMs: EVIDENCE_MS, signal, looks })
  return kind.look.evidence(context, ready.input, progress.snapshot ?? null, because).then(
    found => {
      const evidence = found.map(({ failure: _, ...kept }) => kept)
      const failure = found.find(each => each.failure)?.failure
      return { event: { type: 'evidence', id: planned.id, evidence }, failure }
    },
    error => ({ event: { type: 'evidence-missing', id: planned.id, failure: toFailure(error) } }),
  )
}

const EVIDENCE_MS = 20_000
