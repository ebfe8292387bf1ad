/** The engine: runs a plan on a target and tells everything as events. Draws nothing, words nothing, exits nothing. */
import type { Failure } from '../failure.ts'
import type { Known } from '../playbook/expression.ts'
import type { Json, StepResult } from '../steps/step.ts'
import { attemptStep, toFailure } from './attempt.ts'
import type { Emit } from './events.ts'
import { knownAtStart } from './known.ts'
import { decideOutcome, type RollbackEnd } from './outcome.ts'
import { redactedEmit } from './redact.ts'
import { keepEvidence, rollBack } from './rollback.ts'
import type { RunEnd, RunInput, Running } from './running.ts'
import {
  canBeReady,
  contextFor,
  makeReady,
  mayChange,
  newStates,
  type StepState,
  whenHolds,
} from './state.ts'
import { makeStops, type Stops } from './stop.ts'

/** Without a step: the run was stopped between two of them. */
type StepFailure = { step: StepState | null; failure: Failure }

/** Never rejects: whatever happens is an outcome. */
export function startRun(input: RunInput): Running {
  const emit = redactedEmit(input)
  const stops = makeStops(input.clock, emit)
  const known = knownAtStart(input)
  const run: Run = { input, emit, stops, known, states: newStates(input), recorded: false }
  return { control: stops.control, ended: execute(run) }
}

type Run = {
  readonly input: RunInput
  readonly emit: Emit
  readonly stops: Stops
  readonly states: readonly StepState[]
  /** Grows with the outputs of the steps. */
  readonly known: Known
  /** Whether the state before the first change was recorded. */
  recorded: boolean
}

async function execute(run: Run): Promise<RunEnd> {
  const { input, emit, states } = run
  const { plan } = input
  emit({
    type: 'run-started',
    runId: input.runId,
    playbook: plan.playbook,
    target: plan.target,
    steps: plan.steps.map(({ id, name, uses, effect }) => ({ id, name, uses, effect })),
  })
  const stopClock = run.stops.limitSteps(plan.timeoutMs)
  const failed = await runSteps(run)
  stopClock()
  const failure = failed?.failure ?? null
  const acted = states.some(state => state.begun && state.ready && mayChange(state.ready.effect))
  const rollback = failure && acted ? await maybeRollBack(run, failure) : null
  const end: RunEnd = {
    outcome: decideOutcome({
      failure,
      acted,
      changed: states.some(state => state.changed),
      couldChange: plan.steps.some(step => step.effect === null || mayChange(step.effect)),
      rollback,
    }),
    failedStep: failed?.step?.planned.id ?? null,
    failure,
  }
  emit({ type: 'run-finished', ...end })
  return end
}

async function runSteps(run: Run): Promise<StepFailure | null> {
  const stopped = run.stops.steps
  for (const state of run.states) {
    if (stopped.aborted) return { step: null, failure: toFailure(stopped.reason) }
    const failure = await runStep(run, state)
    if (failure !== null) return { step: state, failure }
  }
  return null
}

async function runStep(run: Run, state: StepState): Promise<Failure | null> {
  const { emit, input } = run
  const { planned } = state
  const startedAt = input.clock.now()
  let attempts = 0
  let result: StepResult | null = null
  let failure: Failure | null = null
  try {
    if (!whenHolds(state, run.known)) {
      state.status = 'skipped'
      run.known.steps[planned.id] = noOutputs(state)
      finish(run, state, { startedAt, attempts, result, failure, reason: 'its condition does not hold' })
      return null
    }
    const ready = makeReady(state, run.known)
    if (mayChange(ready.effect)) await recordBefore(run, state)
    const end = await attemptStep({
      id: planned.id,
      retry: planned.retry,
      signal: run.stops.steps,
      clock: input.clock,
      emit,
      announce(attempt) {
        const commands = state.kind.commands(ready.input)
        emit({ type: 'step-started', id: planned.id, effect: ready.effect, attempt, commands })
        state.begun = true
      },
      act: attempt => {
        const context = contextFor(input, state, {
          phase: `${attempt}`,
          timeoutMs: planned.timeoutMs,
          signal: run.stops.steps,
          emit,
        })
        return state.kind.run(context, ready.input, state.snapshot ?? null)
      },
    })
    attempts = end.attempts
    if (end.ok) result = end.result
    else failure = end.failure
  } catch (error) {
    failure = toFailure(error)
  }
  // What an attempt that failed did to the host was not observed.
  const repeated = attempts > 1 && state.ready !== null && mayChange(state.ready.effect)
  state.changed = result !== null && (result.changed || repeated)
  state.status = statusOf(failure)
  run.known.steps[planned.id] = { ...noOutputs(state), ...result?.outputs }
  finish(run, state, { startedAt, attempts, result, failure, reason: null })
  if (failure === null || (planned.continueOnError && mayContinue(failure))) return null
  return failure
}

/** Of a step that did not get there: known to be without a value, so that conditions can ask. */
const noOutputs = (state: StepState): { [name: string]: Json } =>
  Object.fromEntries(Object.keys(state.kind.outputs).map(name => [name, null]))

const statusOf = (failure: Failure | null) =>
  failure === null ? 'succeeded' : failure.code === 'link-lost' ? 'unknown' : 'failed'

/** `continueOnError` is about the step's own failure, never about the run being stopped or the target being gone. */
function mayContinue(failure: Failure): boolean {
  switch (failure.code) {
    case 'interrupted':
    case 'run-timeout':
    case 'link-lost':
    case 'unreachable':
    case 'auth-failed':
    case 'state-unwritable':
    case 'internal':
      return false
    default:
      return true
  }
}

function finish(
  run: Run,
  state: StepState,
  end: {
    startedAt: number
    attempts: number
    result: StepResult | null
    failure: Failure | null
    reason: string | null
  },
): void {
  const { planned } = state
  run.emit({
    type: 'step-finished',
    id: planned.id,
    status: state.status === 'not-run' ? 'failed' : state.status,
    effect: state.ready?.effect ?? planned.effect,
    attempts: end.attempts,
    durationMs: run.input.clock.now() - end.startedAt,
    changed: state.changed,
    tolerated: end.failure !== null && planned.continueOnError && mayContinue(end.failure),
    facts: end.result?.facts ?? {},
    outputs: end.result?.outputs ?? {},
    failure: end.failure,
    reason: end.reason,
  })
}

/**
 * Before the first change, the state of everything that the run may change is recorded: for all steps at once, since
 * the first change may already hide what a later step would have to put back. Steps that need the output of others
 * are recorded when their turn comes.
 */
async function recordBefore(run: Run, due: StepState): Promise<void> {
  const { emit, input } = run
  const startedAt = input.clock.now()
  const known = run.known
  const waiting = run.recorded ? [due] : run.states.filter(state => state === due || canBeReady(state, known))
  run.recorded = true
  const missing = waiting.filter(
    state => state.kind.snapshot && state.snapshot === undefined && isPlanned(state),
  )
  if (missing.length > 0) emit({ type: 'snapshot-started' })
  for (const state of waiting) {
    const ready = makeReady(state, known)
    if (!missing.includes(state)) continue
    const context = contextFor(input, state, {
      phase: 'snapshot',
      timeoutMs: state.planned.timeoutMs,
      signal: run.stops.steps,
      emit,
    })
    state.snapshot = await state.kind.snapshot!(context, ready.input)
  }
  if (missing.length > 0) emit({ type: 'snapshot-finished', durationMs: input.clock.now() - startedAt })
}

const isPlanned = (state: StepState) => state.planned.when !== false && state.status !== 'skipped'

async function maybeRollBack(run: Run, failure: Failure): Promise<RollbackEnd | null> {
  const { emit, input, states, stops } = run
  const stopClock = stops.limitRollback(input.plan.rollbackTimeoutMs)
  try {
    // Whether the lost command still runs is not known: anything done now could meet it half-way.
    if (failure.code === 'link-lost') return null
    await keepEvidence({ run: input, states, emit, signal: stops.rollback })
    if (input.plan.onFailure === 'stop') return null
    return await rollBack({ run: input, states, because: failure, emit, signal: stops.rollback })
  } finally {
    stopClock()
  }
}
