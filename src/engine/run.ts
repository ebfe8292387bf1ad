/** The engine: runs a plan on a target and tells everything as events. Draws nothing, words nothing, exits nothing. */
import type { Failure } from '../failure.ts'
import { toFailure } from './attempt.ts'
import type { Outcome } from './events.ts'
import { acquireLocks, type Lock } from './lock.ts'
import { markLostRecord, readLostRecordMark, removeLostRecordMark } from './lost-record-mark.ts'
import { startObserving, stopObserving, tidyUp } from './observe.ts'
import { letOrphansEnd } from './orphans.ts'
import { decideOutcome, type RollbackEnd } from './outcome.ts'
import { startEvent, warningEvents } from './plan.ts'
import { hasBegun } from './progress.ts'
import { keepEvidence, rollBack, willReactivate } from './rollback.ts'
import { missingFromSet } from './rollback-set.ts'
import type { RunEnd, RunInput, StartedRun } from './run-input.ts'
import { newRun, type Run } from './run-state.ts'
import { runStep } from './run-step.ts'
import { canBeReady, hasActed, hasChanged, makeReady, mayChange, type StepState } from './step-state.ts'
import { checkStillDone } from './still-done.ts'

/** Without a step: the run was stopped between two of them. */
type StepFailure = { step: string | null; failure: Failure }

/** Runs a plan, or goes on with one that another runner began (`recovered`). Never rejects. */
export function runPlan(input: RunInput): StartedRun {
  return start(
    input,
    run => {
      const { recovered } = input
      if (recovered?.rollback) return goOnTakingBack(run, recovered.rollback.because)
      return runToItsEnd(run)
    },
    'resume',
  )
}

/** Takes back what the journal of a run (`recovered`) says that it did, all of it or nothing. Never rejects. */
export function startRollback(input: RunInput): StartedRun {
  const work = async (run: Run): Promise<RunEnd> => {
    const missing = input.rebuild ? null : await missingFromSet(run)
    if (missing !== null) return { ...idle(missing), refused: true }
    return goOnTakingBack(run, { code: 'taken-back', runId: input.runId })
  }
  return start(input, work, 'rollback')
}

type Work = (run: Run) => Promise<RunEnd>
type Verb = 'resume' | 'rollback'

function start(input: RunInput, work: Work, verb: Verb): StartedRun {
  const run = newRun(input)
  // All of it before anything else: whatever ends this runner, it must know what is half done.
  if (input.recovered) for (const state of run.states) recallStep(run, state)
  announce(run)
  const ended = locked(run, run => alone(run, work, verb), verb).then(async seen => {
    const end = finish(run, seen)
    await settleNote(run, end)
    return end
  })
  return { control: run.stops.control, ended }
}

/** Tells the end, once. */
function finish(run: Run, seen: RunEnd): RunEnd {
  const end = run.redact(seen)
  const { outcome, failedStep, failure } = end
  if (run.input.progress.end === null) run.emit({ type: 'run-finished', outcome, failedStep, failure })
  return end
}

/** What an earlier runner started comes to its end first; until then the run stays as open as it was. */
async function alone(run: Run, work: Work, verb: Verb): Promise<RunEnd> {
  const { recovered } = run.input
  try {
    await letOrphansEnd(run, verb)
    if (recovered) run.noted = (await readLostRecordMark(run.input)) !== null
  } catch (error) {
    return idle(toFailure(error))
  }
  // What takes back is safe to do twice, whatever the host has come to meanwhile.
  const against = recovered && verb === 'resume' && !recovered.rollback ? await checkStillDone(run) : null
  return against === null ? work(run) : idle(against)
}

/** What an earlier runner left half-way is still half-way. */
const idle = (failure: Failure): RunEnd => ({ outcome: 'unknown', failedStep: null, failure, idle: true })

async function locked(run: Run, work: Work, verb: Verb): Promise<RunEnd> {
  let lock: Lock
  try {
    await anchored(run, verb)
    lock = await acquireLocks(run)
  } catch (error) {
    const failure = toFailure(error)
    if (run.states.some(hasActed)) return idle(failure)
    return endOfRun(run, { step: null, failure }, null)
  }
  let open = false
  try {
    if (run.input.recovered) startObserving(run, run.states)
    const end = await work(run)
    await stopObserving(run)
    const takenBack = AS_BEFORE.has(end.outcome)
    if (takenBack || end.outcome === 'succeeded') {
      // Of a run that has not ended, whoever comes next would need what is removed here.
      finish(run, end)
      await tidyUp(run, takenBack)
    }
    open = end.outcome === 'unknown'
    return end
  } finally {
    // While the end is not known nobody else may begin there; who tries is told which run is to be settled first.
    if (open) lock.leave()
    // A target that is gone keeps its lock; who comes next finds the journal that says what it is worth.
    else await lock.release().catch(() => {})
  }
}

/** Nobody will ask for the way back of such a run. */
const AS_BEFORE: ReadonlySet<Outcome> = new Set(['rolled-back', 'failed-unchanged', 'refused'])

/** Nothing is begun without a record that lasts; but getting back matters more than the record. */
async function anchored({ input: { record, recovered } }: Run, verb: Verb): Promise<void> {
  const takesBack = verb === 'rollback' || recovered?.rollback
  await record?.anchor().catch(error => {
    if (!takesBack) throw error
  })
}

export function announce({ emit, input, states }: Run): void {
  const { caller, recovered, runId } = input
  if (!recovered) {
    emit(startEvent(input))
    for (const warning of warningEvents(input.warnings)) emit(warning)
    return
  }
  const done = states.filter(state => state.earlier?.end).map(state => state.planned.id)
  const inFlight = states.find(state => state.earlier?.begun && !state.earlier.end)?.planned.id ?? null
  emit({ type: 'resumed', runId, done, inFlight, by: caller?.by ?? null })
}

async function runToItsEnd(run: Run): Promise<RunEnd> {
  const stopClock = run.stops.limitSteps(run.input.plan.timeoutMs)
  const failed = unlocked(run, await runSteps(run))
  stopClock()
  const mayRollBack = run.input.plan.onFailure === 'rollback'
  const { rollback, failure } = await afterwards(run, failed?.failure ?? null, mayRollBack)
  return endOfRun(run, failed && failure ? { ...failed, failure } : failed, rollback)
}

async function goOnTakingBack(run: Run, because: Failure): Promise<RunEnd> {
  const failedStep = run.states.find(state => state.progress.end?.status === 'failed')?.planned.id ?? null
  const { rollback, failure } = await afterwards(run, because, true)
  return endOfRun(run, { step: failedStep, failure: failure ?? because }, rollback)
}

async function runSteps(run: Run): Promise<StepFailure | null> {
  const stopped = run.stops.steps
  for (const state of run.states) {
    if (stopped.aborted) return { step: null, failure: toFailure(stopped.reason) }
    if (run.lost !== null) return { step: null, failure: run.lost }
    const earlier = recallStep(run, state)
    const failure = earlier === 'to-do' ? await runStep(run, state) : earlier
    if (failure !== null) return { step: state.planned.id, failure }
  }
  return null
}

/** Whatever else there is to tell: a person must know why nothing is taken back. */
function unlocked({ lost }: Run, failed: StepFailure | null): StepFailure | null {
  return failed === null || lost === null || isOpen(failed.failure) ? failed : { ...failed, failure: lost }
}

/** Whether the command still runs is not known: anything done now could meet it half-way. */
const isOpen = ({ code }: Failure): boolean => code === 'link-lost' || code === 'end-not-seen'

/** What an earlier runner did of a step: its failure, null when it is done, or all of it is still to be done. */
export function recallStep(run: Run, state: StepState): Failure | null | 'to-do' {
  const { earlier, planned } = state
  if (!earlier) return 'to-do'
  try {
    // What was recorded is verified and observed too, whether its turn had come or not.
    const wasRecorded = earlier.snapshot !== undefined && canBeReady(state, run.known)
    if (earlier.begun || wasRecorded) makeReady(state, run.known)
  } catch (error) {
    return toFailure(error)
  }
  if (!earlier.end) return 'to-do'
  run.known.steps[planned.id] = earlier.end.outputs
  return earlier.end.tolerated ? null : earlier.end.failure
}

/**
 * Evidence, since taking back destroys it; and, where it may be, the taking back, which begins beside it. `failure`: with
 * what the evidence tells of it.
 */
async function afterwards(
  run: Run,
  failure: Failure | null,
  mayRollBack: boolean,
): Promise<{ rollback: RollbackEnd | null; failure: Failure | null }> {
  const { emit, input, states, stops } = run
  const nothing = { rollback: null, failure }
  if (failure === null || !states.some(hasActed)) return nothing
  if (isOpen(failure) || run.lost !== null) return nothing
  const stopClock = stops.limitRollback(input.plan.rollbackTimeoutMs)
  try {
    if (mayRollBack && willReactivate(states)) input.transport.prepareDurable?.()
    const earlier = input.recovered?.rollback?.parts
    // What failed is gone as soon as the old version was made to run again.
    const isGone = earlier !== undefined && hasBegun(earlier, 'reactivate')
    const signal = stops.rollback
    const evidence = isGone
      ? Promise.resolve(failure)
      : keepEvidence({ run: input, states, because: failure, emit, signal })
    if (!mayRollBack) return { rollback: null, failure: await evidence }
    const onBegun = () => noteWhereUnrecorded(run)
    const rollback = await rollBack({
      ...{ run: input, states, because: failure, earlier, emit, evidence, onBegun },
      lost: () => run.lost,
      signal,
    })
    return { rollback, failure: await evidence }
  } finally {
    stopClock()
  }
}

/** That the way back has begun must be known to whoever comes next, here or there. */
async function noteWhereUnrecorded(run: Run): Promise<void> {
  const { input } = run
  if (input.record?.isWhole() ?? true) return
  run.noted = true
  await markLostRecord(input, null)
}

/** Of who ends. */
async function settleNote(run: Run, { outcome }: RunEnd): Promise<void> {
  if (!run.noted) return
  if (!run.input.record?.isWhole()) await markLostRecord(run.input, outcome)
  else if (outcome !== 'unknown') await removeLostRecordMark(run.input)
}

/** A step that was allowed to fail has held nothing up, and a run with one is no success. */
export function endOfRun(run: Run, stopped: StepFailure | null, rollback: RollbackEnd | null): RunEnd {
  const failed = stopped ?? firstFailure(run)
  const failure = failed?.failure ?? null
  const outcome = decideOutcome({
    failure,
    allowed: stopped === null,
    acted: run.states.some(hasActed),
    changed: run.states.some(state => hasChanged(state) !== false),
    couldChange: run.states.some(state => state.ready && mayChange(state.ready.effect)),
    rollback,
  })
  return { outcome, failedStep: failed?.step ?? null, failure }
}

const firstFailure = ({ states }: Run): StepFailure | null =>
  states.flatMap(({ planned, progress }) => {
    const failure = progress.end?.failure
    return failure ? [{ step: planned.id, failure }] : []
  })[0] ?? null
