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

type Codes = ReadonlySet<Failure['code']>

/** Nothing was done because it must not be, and asking again has the same answer. */
const REFUSALS: Codes = new Set<Failure['code']>([
  'dirty-tree',
  'foreign-checkout',
  'ref-not-published',
  'ref-not-allowed',
  'modules-unsafe',
  'lock-held',
  'lock-lost',
  'interrupted-run',
  'record-gone',
  'denied',
  'approval-denied',
  'approval-needed',
  'plan-moved',
  'stack-differs',
  'would-lose',
  'cannot-run-twice',
  'powers-added',
  'nothing-to-build',
  'nothing-to-pull',
  'image-unused',
  'image-of-registry',
  'files-unusable',
])

/** Of who has done nothing. */
export function beforeAnyChange(failure: Failure): Outcome {
  if (REFUSALS.has(failure.code)) return 'refused'
  switch (failure.code) {
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
const FINAL: Codes = new Set<Failure['code']>([
  ...REFUSALS,
  'link-lost',
  'end-not-seen',
  'interrupted',
  'run-timeout',
  'auth-failed',
  'ref-not-found',
  'ref-ambiguous',
  'history-rewritten',
  'branch-diverged',
  'files-in-the-way',
  'signature-missing',
  'step-input-invalid',
  'expression-failed',
  'not-built',
  'state-unwritable',
  'internal',
])

export const mayRetry = ({ code }: Failure): boolean => !FINAL.has(code)
