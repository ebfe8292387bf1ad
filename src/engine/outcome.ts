/** The verdict, from what was observed. Pure: one function, one table in the tests. */
import type { Failure } from '../failure.ts'
import type { Outcome } from './events.ts'

export type RollbackEnd = {
  /** Some part found the host different from what was recorded, and changed it. */
  changedSomething: boolean
  /** Whether the host was seen to be as before; null: not all of it could be looked at. */
  verified: boolean | null
}

export type RunFacts = {
  failure: Failure | null
  /** It is that of a step that was allowed to fail: the run went on to its end all the same. */
  allowed?: boolean
  /** A step that may change the host was begun. */
  acted: boolean
  /** Some step was not seen to have left the host as it was. */
  changed: boolean
  /** The plan has a step that may change the host. */
  couldChange: boolean
  rollback: RollbackEnd | null
}

export function decideOutcome(facts: RunFacts): Outcome {
  const { failure, rollback } = facts
  if (failure === null) return facts.couldChange && !facts.changed ? 'unchanged' : 'succeeded'
  if (facts.allowed) return facts.changed ? 'failed-changed' : 'failed-unchanged'
  if (!facts.acted) return beforeAnyChange(failure)
  if (rollback !== null) return afterRollback(failure, rollback)
  if (failure.code === 'link-lost' || failure.code === 'end-not-seen') return 'unknown'
  return failure.code === 'interrupted' ? 'interrupted' : 'failed-changed'
}

function afterRollback(failure: Failure, { verified, changedSomething }: RollbackEnd): Outcome {
  if (verified === false) return 'rollback-failed'
  if (failure.code === 'interrupted') return 'interrupted'
  return verified && !changedSomething ? 'failed-unchanged' : 'rolled-back'
}

/** Of who has done nothing. */
export function beforeAnyChange(failure: Failure): Outcome {
  switch (failure.code) {
    case 'dirty-tree':
    case 'foreign-checkout':
    case 'ref-not-published':
    case 'ref-not-allowed':
    case 'modules-unsafe':
    case 'lock-held':
    case 'lock-lost':
    case 'interrupted-run':
    case 'record-gone':
    case 'denied':
    case 'approval-denied':
    case 'plan-moved':
    case 'stack-differs':
    case 'would-lose':
    case 'cannot-run-twice':
    case 'powers-added':
    case 'nothing-to-build':
    case 'nothing-to-pull':
    case 'image-unused':
    case 'image-of-registry':
      return 'refused'
    case 'unreachable':
    case 'auth-failed':
    case 'link-lost':
      return 'unreachable'
    case 'interrupted':
      return 'interrupted'
    default:
      return 'failed-unchanged'
  }
}

/** Repeating these cannot help, or could do harm: the same question has the same answer, or something may still run. */
export function mayRetry(failure: Failure): boolean {
  switch (failure.code) {
    case 'link-lost':
    case 'end-not-seen':
    case 'interrupted':
    case 'run-timeout':
    case 'denied':
    case 'auth-failed':
    case 'approval-denied':
    case 'dirty-tree':
    case 'foreign-checkout':
    case 'ref-not-found':
    case 'ref-ambiguous':
    case 'ref-not-published':
    case 'ref-not-allowed':
    case 'modules-unsafe':
    case 'history-rewritten':
    case 'branch-diverged':
    case 'files-in-the-way':
    case 'signature-missing':
    case 'step-input-invalid':
    case 'expression-failed':
    case 'plan-moved':
    case 'stack-differs':
    case 'would-lose':
    case 'cannot-run-twice':
    case 'powers-added':
    case 'nothing-to-build':
    case 'nothing-to-pull':
    case 'image-unused':
    case 'image-of-registry':
    case 'not-built':
    case 'lock-lost':
    case 'state-unwritable':
    case 'internal':
      return false
    default:
      return true
  }
}
