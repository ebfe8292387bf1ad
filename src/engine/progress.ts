/**
 * How far a run has come, as its events tell: the same function follows a run that happens and reads the journal of one
 * whose runner is gone. Pure.
 */

import type { Json } from '../document/json.ts'
import type { Failure } from '../failure.ts'
import type { CommandHandle } from '../transport/transport.ts'
import type { Event, Movement } from './events.ts'

type StepEnd = Extract<Event, { type: 'step-finished' }>

export type StepProgress = {
  /** Undefined: not taken. */
  snapshot: Json | undefined
  /** Whatever its end, it may have done some of its work. */
  begun: boolean
  /** The last attempt that was begun. */
  attempt: number
  /** Of a confirmation that the step waited for. */
  deadline: number | null
  /** Null: its end was not seen. */
  end: StepEnd | null
}

/** How often it was begun, and whether it ended well the last time (null: nobody saw it). */
export type PartProgress = { times: number; ended: boolean | null }

type RollbackProgress = {
  because: Failure
  /** Parts that were begun. */
  parts: Map<string, PartProgress>
}

/** Begun in a step, or in its part of a rollback; nobody saw that step or part end. */
type BegunCommand = {
  id: string
  place: number
  command: CommandHandle
  movement: Movement | null
}

export type Progress = {
  steps: Map<string, StepProgress>
  inFlight: BegunCommand[]
  /** Parts of a rollback that were begun and not seen to end, by step. */
  moving: Map<string, Movement>
  rollback: RollbackProgress | null
  end: Extract<Event, { type: 'run-finished' }> | null
}

export const partKey = (movement: Movement, id: string): string => `${movement} ${id}`

export const hasBegun = (parts: ReadonlyMap<string, PartProgress>, movement: Movement): boolean =>
  [...parts.keys()].some(key => key.startsWith(`${movement} `))

export function progressAfter(events: Iterable<Event>): Progress {
  const progress: Progress = { steps: new Map(), inFlight: [], moving: new Map(), rollback: null, end: null }
  for (const event of events) advance(progress, event)
  return progress
}

export function advance(progress: Progress, event: Event): void {
  advanceCommands(progress, event)
  advanceSteps(progress, event)
}

function advanceSteps(progress: Progress, event: Event): void {
  switch (event.type) {
    case 'recorded':
      stepOf(progress, event.id).snapshot = event.snapshot
      return
    case 'step-started': {
      const step = stepOf(progress, event.id)
      step.begun = true
      step.attempt = event.attempt
      step.end = null
      return
    }
    case 'confirm-awaited':
      stepOf(progress, event.id).deadline = event.deadline
      return
    case 'step-finished': {
      const step = stepOf(progress, event.id)
      // How it ended was not known to its runner either.
      step.end = event.status === 'unknown' ? null : event
      if (event.untouched) step.begun = false
      return
    }
    case 'rollback-started':
      progress.end = null
      progress.rollback = { because: event.because, parts: progress.rollback?.parts ?? new Map() }
      return
    case 'part-started': {
      const { id, movement, times } = event
      progress.rollback?.parts.set(partKey(movement, id), { times, ended: null })
      return
    }
    case 'part-finished': {
      const part = progress.rollback?.parts.get(partKey(event.movement, event.id))
      if (part && wasSeen(event.failure)) part.ended = event.failure === null
      return
    }
    case 'resumed':
      progress.end = null
      return
    case 'run-finished':
      progress.end = event
      return
    default:
      return
  }
}

const wasSeen = (failure: Failure | null): boolean =>
  failure?.code !== 'link-lost' && failure?.code !== 'end-not-seen'

function advanceCommands(progress: Progress, event: Event): void {
  switch (event.type) {
    case 'command-started':
      noteCommand(progress, event)
      return
    case 'part-started':
      // Those of the steps have ended before any part is begun; those of other parts go on beside it.
      forget(progress, ({ id, movement }) => movement === null || id === event.id)
      progress.moving.set(event.id, event.movement)
      return
    case 'part-finished':
      forget(progress, ({ id }) => id === event.id)
      progress.moving.delete(event.id)
      return
    case 'step-started':
      progress.inFlight = []
      progress.moving.clear()
      return
    case 'step-finished':
      if (event.status !== 'unknown') progress.inFlight = []
      return
    default:
      return
  }
}

function forget(progress: Progress, isOver: (command: BegunCommand) => boolean): void {
  progress.inFlight = progress.inFlight.filter(command => !isOver(command))
}

/** Where it was announced its process is known by now. */
function noteCommand(
  { inFlight, moving }: Progress,
  { id, place, command }: Extract<Event, { type: 'command-started' }>,
): void {
  const announced = inFlight.findIndex(
    each => each.id === id && each.place === place && each.command.kind === 'announced',
  )
  const at = announced < 0 ? inFlight.length : announced
  inFlight.splice(at, 1, { id, place, command, movement: moving.get(id) ?? null })
}

export function stepOf(progress: Progress, id: string): StepProgress {
  const known = progress.steps.get(id)
  if (known) return known
  const step: StepProgress = { snapshot: undefined, begun: false, attempt: 0, deadline: null, end: null }
  progress.steps.set(id, step)
  return step
}
