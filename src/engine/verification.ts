/** Whether what was taken back was seen to be as before. Pure. */
import type { Event, Movement, Observation } from './events.ts'
import type { StepState } from './step-state.ts'

export type PartEnd = Extract<Event, { type: 'part-finished' }>
export type StepObservation = Observation & { id: string }

type Verification = { verified: boolean | null; notVerified: string[] }

/** The movements that a step has something to do in. */
export function movesOf({ kind, ready, progress }: StepState): Movement[] {
  if (!ready) return []
  const moves = kind.plan.moves?.(ready.input) ?? (['restore', 'reactivate', 'verify'] as const)
  const isRecorded = progress.snapshot !== undefined
  const canDo: Record<Movement, boolean> = {
    restore: isRecorded || !kind.act.snapshot,
    reactivate: true,
    // Never recorded and never begun: there is nothing to hold it to.
    verify: isRecorded || progress.begun,
  }
  return moves.filter(movement => kind.undo?.[movement] && canDo[movement])
}

/** Nothing brings these back, and they are known to leave the host changed. */
export const withoutWayBack = (scope: readonly StepState[]): StepState[] =>
  scope.filter(state => {
    const { kind, ready } = state
    const leaves = ready !== null && (kind.plan.leaves?.(ready.input) ?? true)
    return leaves && !wasUnchanged(state) && !hasWayBack(state)
  })

export const hasWayBack = (state: StepState): boolean =>
  movesOf(state).some(movement => movement !== 'verify')

/**
 * False: a part failed, or something is left to do. Null: of a step nothing was seen, and an undo that exits 0 proves
 * nothing. A step that is only started again is seen by whatever answers well afterwards.
 */
export function verification(seen: {
  scope: readonly StepState[]
  ends: readonly PartEnd[]
  looks: readonly StepObservation[]
  remains: boolean
}): Verification {
  const { scope, ends, looks } = seen
  const good = looks.filter(({ ok }) => ok)
  const isSeen = (state: StepState) => {
    const { id } = state.planned
    const own = ends.filter(end => end.id === id)
    if (wasUnchanged(state) && !own.some(end => end.changed)) return true
    if (good.some(look => look.id === id)) return true
    const moves = movesOf(state)
    return (
      moves.includes('reactivate') && !moves.includes('restore') && good.some(({ what }) => ANSWERS.has(what))
    )
  }
  const notVerified = scope.filter(state => !isSeen(state)).map(state => state.planned.id)
  const failed = ends.some(end => end.failure !== null)
  if (failed || seen.remains) return { verified: false, notVerified }
  return { verified: notVerified.length === 0 ? true : null, notVerified }
}

const ANSWERS: ReadonlySet<string> = new Set(['http', 'command'])

/** Its end was seen, and the host was as before. */
const wasUnchanged = ({ progress: { end } }: StepState) =>
  end?.status === 'succeeded' && end.changed === false
