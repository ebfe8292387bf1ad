/** What the events of a run say of where it is, in words of the playbook alone. Pure. */
import type { Event } from '../../engine/events.ts'

/** Null for what is not worth a notification. */
export function stepWords(): (event: Event) => string | null {
  let names: string[] = []
  let ids: string[] = []
  const named = (id: string) => {
    const at = ids.indexOf(id)
    return at < 0 ? id : `${at + 1}/${ids.length} ${names[at]}`
  }
  return event => {
    switch (event.type) {
      case 'run-started':
        ids = event.steps.map(step => step.id)
        names = event.steps.map(step => step.name)
        return null
      case 'step-started':
        return `${named(event.id)}${event.attempt > 1 ? ` (attempt ${event.attempt})` : ''}`
      case 'step-finished':
        return event.status === 'failed' ? `${named(event.id)} failed` : null
      case 'confirm-awaited':
        return `${named(event.id)} waits for a confirmation`
      case 'checked':
        return `${named(event.id)} checked`
      case 'rollback-started':
        return 'rolling back'
      case 'part-started':
        return `rolling back: ${event.movement} ${event.id}`
      case 'run-finished':
        return event.outcome
      default:
        return null
    }
  }
}

/** The step that waits for somebody to confirm it. */
export function awaitedStep(
  events: readonly Event[],
): { id: string; deadline: number; isOthers: boolean } | null {
  const at = events.findLastIndex(event => event.type === 'confirm-awaited')
  const awaited = events[at]
  if (awaited?.type !== 'confirm-awaited') return null
  const isOver = events.slice(at).some(event => OVER.has(event.type))
  return isOver
    ? null
    : { id: awaited.id, deadline: awaited.deadline, isOthers: awaited.confirmer === 'other' }
}

const OVER: ReadonlySet<Event['type']> = new Set([
  'confirmed',
  'step-finished',
  'rollback-started',
  'run-finished',
])
