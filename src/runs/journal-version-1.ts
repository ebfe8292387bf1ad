/** Events as journals of version 1 have them, so that nothing else needs to know what those do not say. Pure. */
import type { Event } from '../engine/events.ts'
import { logName } from '../engine/plan.ts'

/** `event`: of a line with a smaller version than the present one. */
export function fromVersion1(event: Event): Event {
  switch (event.type) {
    case 'run-started': {
      // Their logs are named by the order in which steps printed something.
      const steps = event.steps.map((step, at) => ({ ...step, log: logName(at + 1, step.id) }))
      return { ...event, playbookDigest: null, planHash: null, caller: null, steps }
    }
    case 'resumed':
    case 'interrupting':
      return { ...event, by: null }
    case 'said':
      return { ...event, phase: null }
    // What only the first releases do not say.
    case 'command-started':
      return { ...event, place: event.place ?? 1 }
    case 'part-started':
      return { ...event, times: event.times ?? 1 }
    case 'rollback-finished':
      return { ...event, notVerified: event.notVerified ?? [] }
    default:
      return event
  }
}
