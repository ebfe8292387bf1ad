/** What a journal tells about a run whose runner is gone. Pure. */

import type { Json } from '../document/json.ts'
import type { Failure } from '../failure.ts'
import type { CommandHandle } from '../transport/transport.ts'
import type { Event, Movement } from './events.ts'

type StepEnd = Extract<Event, { type: 'step-finished' }>

export type RecoveredStep = {
  /** Undefined: not taken. */
  snapshot: Json | undefined
  begun: boolean
  /** The last attempt that was begun. */
  attempt: number
  /** Of a confirmation that the step waited for. */
  deadline: number | null
  /** Null: its end was not seen. */
  end: StepEnd | null
}

/** How often it was begun, and whether it ended well the last time (null: nobody saw it). */
export type RecoveredPart = { times: number; ended: boolean | null }

type RecoveredRollback = {
  because: Failure
  /** Parts that were begun. */
  parts: Map<string, RecoveredPart>
}

/** Begun in a step, or in its part of a rollback; nobody saw that step or part end. */
type RecoveredCommand = {
  id: string
  place: number
  command: CommandHandle
  movement: Movement | null
}

export type Recovered = {
  steps: Map<string, RecoveredStep>
  inFlight: RecoveredCommand[]
  /** Parts of a rollback that were begun and not seen to end, by step. */
  moving: Map<string, Movement>
  rollback: RecoveredRollback | null
  end: Extract<Event, { type: 'run-finished' }> | null
}

export const partKey = (movement: Movement, id: string): string => `${movement} ${id}`

export const hasBegun = (parts: ReadonlyMap<string, RecoveredPart>, movement: Movement): boolean =>
  [...parts.keys()].some(key => key.startsWith(`${movement} `))

export function recover(events: Iterable<Event>): Recovered {
  const recovered: Recovered = {
    steps: new Map(),
    inFlight: [],
    moving: new Map(),
    rollback: null,
    end: null,
  }
  for (const event of events) {
    foldCommands(recovered, event)
    fold(recovered, event)
  }
  return recovered
}

function fold(recovered: Recovered, event: Event): void {
  switch (event.type) {
    case 'recorded':
      stepOf(recovered, event.id).snapshot = event.snapshot
      return
    case 'step-started': {
      const step = stepOf(recovered, event.id)
      step.begun = true
      step.attempt = event.attempt
      step.end = null
      return
    }
    case 'confirm-awaited':
      stepOf(recovered, event.id).deadline = event.deadline
      return
    case 'step-finished':
      // How it ended was not known to that runner either.
      stepOf(recovered, event.id).end = event.status === 'unknown' ? null : event
      return
    case 'rollback-started':
      recovered.end = null
      recovered.rollback = { because: event.because, parts: recovered.rollback?.parts ?? new Map() }
      return
    case 'part-started': {
      const { id, movement, times } = event
      recovered.rollback?.parts.set(partKey(movement, id), { times, ended: null })
      return
    }
    case 'part-finished': {
      const part = recovered.rollback?.parts.get(partKey(event.movement, event.id))
      if (part && wasSeen(event.failure)) part.ended = event.failure === null
      return
    }
    case 'resumed':
      recovered.end = null
      return
    case 'run-finished':
      recovered.end = event
      return
    default:
      return
  }
}

const wasSeen = (failure: Failure | null): boolean =>
  failure?.code !== 'link-lost' && failure?.code !== 'end-not-seen'

function foldCommands(recovered: Recovered, event: Event): void {
  switch (event.type) {
    case 'command-started':
      noteCommand(recovered, event)
      return
    case 'part-started':
      // Those of the steps have ended before any part is begun; those of other parts go on beside it.
      forget(recovered, ({ id, movement }) => movement === null || id === event.id)
      recovered.moving.set(event.id, event.movement)
      return
    case 'part-finished':
      forget(recovered, ({ id }) => id === event.id)
      recovered.moving.delete(event.id)
      return
    case 'step-started':
      recovered.inFlight = []
      recovered.moving.clear()
      return
    case 'step-finished':
      if (event.status !== 'unknown') recovered.inFlight = []
      return
    default:
      return
  }
}

function forget(recovered: Recovered, isOver: (command: RecoveredCommand) => boolean): void {
  recovered.inFlight = recovered.inFlight.filter(command => !isOver(command))
}

/** Where it was announced its process is known by now. */
function noteCommand(
  { inFlight, moving }: Recovered,
  { id, place, command }: Extract<Event, { type: 'command-started' }>,
): void {
  const announced = inFlight.findIndex(
    each => each.id === id && each.place === place && each.command.kind === 'announced',
  )
  const at = announced < 0 ? inFlight.length : announced
  inFlight.splice(at, 1, { id, place, command, movement: moving.get(id) ?? null })
}

function stepOf(recovered: Recovered, id: string): RecoveredStep {
  const known = recovered.steps.get(id)
  if (known) return known
  const step: RecoveredStep = { snapshot: undefined, begun: false, attempt: 0, deadline: null, end: null }
  recovered.steps.set(id, step)
  return step
}
