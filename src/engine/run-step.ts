/** One step from its condition to its end. */

import type { Json } from '../document/json.ts'
import { Failed, type Failure } from '../failure.ts'
import type { StepResult } from '../steps/contract/step.ts'
import { type Attempts, attemptStep, toFailure } from './attempt.ts'
import type { Run } from './run-state.ts'
import { recordBefore } from './snapshots.ts'
import {
  contextFor,
  hasActed,
  makeReady,
  mayChange,
  mayRepeat,
  type Ready,
  type StepState,
  standsAmong,
  whenHolds,
} from './step-state.ts'

/** Null when the run may go on. Never throws. */
export async function runStep(run: Run, state: StepState): Promise<Failure | null> {
  let startedAt = run.input.clock.now()
  try {
    if (!whenHolds(state, run.known)) {
      finish(run, state, { startedAt, attempts: 0, status: 'skipped', result: null, failure: null })
      return null
    }
  } catch (error) {
    return end(run, state, startedAt, { ok: false, failure: toFailure(error), attempts: 0 })
  }
  // What was recorded before the first change is no part of the step that it was recorded for.
  const onStart = () => {
    startedAt = run.input.clock.now()
  }
  const ended = await act(run, state, onStart)
  return end(run, state, startedAt, ended)
}

async function act(run: Run, state: StepState, onStart: () => void): Promise<Attempts> {
  const { input } = run
  const { planned, earlier } = state
  try {
    const ready = makeReady(state, run.known)
    const endNotSeen = earlier?.begun === true && earlier.end === null
    // Where commands are started once, the one that was started tells how it ended; elsewhere only a person can.
    const attaches = endNotSeen && !mayRepeat(state) && input.assume === undefined
    if (endNotSeen && input.assume === 'done' && !mayRepeat(state))
      return { ok: true, result: { changed: null }, attempts: earlier.attempt }
    if (attaches && !input.transport.attaches) throw endNotSeenOf(run, planned.id)
    if (mayChange(ready.effect)) await recordBefore(run, state)
    onStart()
    return await attempts(run, state, ready, { number: endNotSeen ? earlier.attempt : 1, attaches })
  } catch (error) {
    return { ok: false, failure: toFailure(error), attempts: 0 }
  }
}

/** How a step ended that an earlier runner began: asked where it was started, and nothing is started here. */
export async function askForStep(run: Run, state: StepState): Promise<Failure | null> {
  const startedAt = run.input.clock.now()
  const number = state.earlier?.attempt ?? 1
  try {
    const ready = makeReady(state, run.known)
    return end(
      run,
      state,
      startedAt,
      await attempts(run, state, ready, { number, attaches: true, last: true }),
    )
  } catch (error) {
    return end(run, state, startedAt, { ok: false, failure: toFailure(error), attempts: number })
  }
}

const endNotSeenOf = ({ input }: Run, step: string) =>
  new Failed({ code: 'end-not-seen', runId: input.runId, step })

/** `attaches`: the first one was started by an earlier runner and is only asked for. `last`: there is no other. */
type First = { number: number; attaches: boolean; last?: boolean }

async function attempts(run: Run, state: StepState, ready: Ready, first: First): Promise<Attempts> {
  const { emit, input, stops } = run
  const { kind, planned } = state
  let ran = false
  const onRan = () => {
    ran = true
  }
  const ended = await attemptStep({
    id: planned.id,
    retry: first.last ? { ...planned.retry, attempts: first.number } : planned.retry,
    first: first.number,
    signal: stops.steps,
    clock: input.clock,
    emit,
    announce(attempt) {
      if (run.lost !== null) throw new Failed(run.lost)
      const commands = kind.plan.commands(ready.input)
      if (mayChange(ready.effect)) for (const sign of input.standing.values()) sign.rebase()
      emit({ type: 'step-started', id: planned.id, effect: ready.effect, attempt, commands })
    },
    async act(attempt) {
      const { timeoutMs } = planned
      const { steps: signal } = stops
      const attachOnly = first.attaches && attempt === first.number
      const standsLater = () => standsAmong(run.states.slice(run.states.indexOf(state) + 1), run.known)
      const around = {
        phase: `${attempt}`,
        timeoutMs,
        signal,
        onRan,
        attachOnly,
        movement: null,
        standsLater,
        isHurried: !planned.continueOnError && attempt === planned.retry.attempts,
        looks: input.looks,
        looksAnew: true,
      }
      if (kind.plan.outlives) input.transport.prepareDurable?.()
      try {
        return await kind.act.run(
          contextFor(input, state, around),
          ready.input,
          state.progress.snapshot ?? null,
        )
      } catch (error) {
        const failure = toFailure(error)
        const unknown = failure.code === 'link-lost' || isAboutReaching(failure)
        throw attachOnly && unknown ? endNotSeenOf(run, planned.id) : error
      }
    },
  })
  if (ended.ok || state.earlier?.begun) return ended
  // A target that was gone before the first command, or refused it, was not touched.
  const untouched =
    (!ran && isAboutReaching(ended.failure)) ||
    (ended.attempts === first.number && isJudgedFirst(ended.failure))
  return { ...ended, untouched }
}

/** A step that refuses so has looked at what it was to bring, and has touched nothing. */
const isJudgedFirst = ({ code }: Failure) =>
  code === 'ref-not-published' ||
  code === 'ref-not-allowed' ||
  code === 'modules-unsafe' ||
  code === 'cannot-run-twice'

function isAboutReaching({ code }: Failure): boolean {
  return (
    code === 'unreachable' || code === 'auth-failed' || code === 'denied' || code === 'command-not-started'
  )
}

function end(run: Run, state: StepState, startedAt: number, ended: Attempts): Failure | null {
  const { attempts } = ended
  if (ended.ok) {
    finish(run, state, { startedAt, attempts, status: 'succeeded', result: ended.result, failure: null })
    return null
  }
  const { failure, untouched } = ended
  finish(run, state, { startedAt, attempts, status: statusOf(failure), result: null, failure, untouched })
  return isTolerated(state, failure) ? null : failure
}

function finish(
  run: Run,
  state: StepState,
  end: {
    startedAt: number
    attempts: number
    status: 'succeeded' | 'failed' | 'skipped' | 'unknown'
    result: StepResult | null
    failure: Failure | null
    untouched?: boolean | undefined
  },
): void {
  const { planned } = state
  const outputs = { ...noOutputs(state), ...end.result?.outputs }
  run.known.steps[planned.id] = outputs
  run.emit({
    type: 'step-finished',
    id: planned.id,
    status: end.status,
    effect: state.ready?.effect ?? planned.effect,
    attempts: end.attempts,
    durationMs: run.input.clock.now() - end.startedAt,
    changed: changedBy(state, end),
    tolerated: end.failure !== null && isTolerated(state, end.failure),
    facts: end.result?.facts ?? {},
    outputs,
    failure: end.failure,
    reason: end.status === 'skipped' ? 'its condition does not hold' : null,
    ...(end.untouched ? { untouched: true } : {}),
  })
}

/** What an attempt that failed did to the host was not observed. */
function changedBy(
  state: StepState,
  {
    result,
    attempts,
    untouched,
  }: { result: StepResult | null; attempts: number; untouched?: boolean | undefined },
): boolean | null {
  const mayHave = hasActed(state) && !untouched
  if (result === null) return mayHave ? null : false
  return mayHave && attempts > 1 ? result.changed || null : result.changed
}

/** Of a step that did not get there: known to be without a value, so that conditions can ask. */
const noOutputs = (state: StepState): { [name: string]: Json } =>
  Object.fromEntries(Object.keys(state.kind.outputs).map(name => [name, null]))

const statusOf = ({ code }: Failure) =>
  code === 'link-lost' || code === 'end-not-seen' ? 'unknown' : 'failed'

/** `continueOnError` is about the step's own failure, never about the run being stopped or the target being gone. */
function isTolerated(state: StepState, failure: Failure): boolean {
  if (!state.planned.continueOnError) return false
  switch (failure.code) {
    case 'interrupted':
    case 'run-timeout':
    case 'link-lost':
    case 'end-not-seen':
    case 'unreachable':
    case 'auth-failed':
    case 'state-unwritable':
    case 'internal':
      return false
    default:
      return true
  }
}
