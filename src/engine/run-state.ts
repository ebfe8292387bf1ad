/** A run while it runs. */

import type { Failure } from '../failure.ts'
import type { Scope } from '../playbook/expression.ts'
import type { Facts } from '../steps/contract/step.ts'
import type { Emit } from './events.ts'
import { redactDeep } from './redact.ts'
import { type Guarded, guarded, type RunInput } from './run-input.ts'
import { scopeAtStart } from './scope.ts'
import { newStates, type StepState } from './step-state.ts'
import { makeStops, type Stops } from './stop.ts'

/** What goes on beside the steps, until it is told that the run has ended; `done` lets go of it. */
export type Observer = {
  id: string
  ended: AbortController
  done: AbortController
  facts: Promise<Facts>
}

export type Run = {
  readonly input: Guarded
  readonly emit: Emit
  /** Takes the values of secrets out. */
  readonly redact: <T>(value: T) => T
  readonly stops: Stops
  readonly states: readonly StepState[]
  /** Grows with the outputs of the steps. */
  readonly known: Scope
  /** Whether the state before the first change was recorded. */
  recorded: boolean
  readonly observations: Observer[]
  /** A word of it is on the target, since its record could not be, or was not, written to its end. */
  noted: boolean
  /** Its lock is somebody else's by now: nothing is begun beside them. */
  lost: Failure | null
}

export function newRun(given: RunInput): Run {
  const input = guarded(given)
  const { emit, secrets } = input
  return {
    input,
    emit,
    redact: value => redactDeep(value, secrets),
    stops: makeStops(input.clock, emit),
    states: newStates(input),
    known: scopeAtStart(input),
    recorded: false,
    observations: [],
    noted: false,
    lost: null,
  }
}
