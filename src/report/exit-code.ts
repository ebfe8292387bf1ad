import type { Outcome } from '../engine/events.ts'
import type { Failure } from '../failure.ts'

export const EXIT_OK = 0
/** `doctor` found something, or a question was answered with no. */
export const EXIT_NO = 1
export const EXIT_USAGE = 2
/** Nothing was changed, because it may not be or cannot be now. */
export const EXIT_REFUSED = 3
export const EXIT_UNREACHABLE = 4
export const EXIT_UNKNOWN = 6

export function exitCode(outcome: Outcome, failure: Failure | null): number {
  switch (outcome) {
    case 'succeeded':
    case 'unchanged':
    case 'planned':
    case 'started':
      return EXIT_OK
    case 'rolled-back':
    case 'failed-unchanged':
      return 1
    case 'invalid':
      return EXIT_USAGE
    case 'refused':
      return EXIT_REFUSED
    case 'unreachable':
      return EXIT_UNREACHABLE
    case 'rollback-failed':
    case 'failed-changed':
      return 5
    case 'unknown':
      return EXIT_UNKNOWN
    case 'interrupted':
      return failure?.code === 'interrupted' && failure.signal !== 'SIGINT' ? 143 : 130
  }
}
