/** A run while it runs. */

import type { Known } from '../playbook/expression.ts'
import type { Facts } from '../steps/step.ts'
import type { Emit } from './events.ts'
import { knownAtStart } from './known.ts'
import { redacting } from './redact.ts'
import type { RunInput } from './running.ts'
import { newStates, type StepState } from './state.ts'
import { makeStops, type Stops } from './stop.ts'

/** What goes on beside the steps, until it is told that the run has ended; `done` lets go of it. */
export type Observation = {
  id: string
  ended: AbortController
  done: AbortController
  facts: Promise<Facts>
}

export type Run = {
  readonly input: RunInput
  readonly emit: Emit
  /** Takes the values of secrets out. */
  readonly redact: <T>(value: T) => T
  readonly stops: Stops
  readonly states: readonly StepState[]
  /** Grows with the outputs of the steps. */
  readonly known: Known
  /** Whether the state before the first change was recorded. */
  recorded: boolean
  readonly observations: Observation[]
}

export function newRun(input: RunInput): Run {
  const redact = redacting(input)
  const emit: Emit = event => input.emit(redact(event))
  return {
    input,
    emit,
    redact,
    stops: makeStops(input.clock, emit),
    states: newStates(input),
    known: knownAtStart(input),
    recorded: false,
    observations: [],
  }
}
