/** How an invocation ended, and what the shell is told about it. */
import type { LinkFailure } from '../link/link.ts'

export type CliOutcome =
  | { kind: 'done' }
  /** The remote command ended with this code. */
  | { kind: 'remote'; code: number }
  /** The remote command was stopped at its limit. */
  | { kind: 'timeout' }
  | { kind: 'failure'; failure: LinkFailure }
  /** Bad arguments, no token, no such target: nothing was contacted. */
  | { kind: 'usage' }
  | { kind: 'interrupted'; signal: InterruptSignal }

export type InterruptSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'
export const SIGNAL_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

export function clientExitCode(outcome: CliOutcome, passthrough: boolean): number {
  if (outcome.kind === 'done') return 0
  if (outcome.kind === 'interrupted') return SIGNAL_CODES[outcome.signal]
  if (outcome.kind === 'failure' && outcome.failure.kind === 'cancelled') return SIGNAL_CODES.SIGINT
  if (passthrough) return passedThrough(outcome)
  if (outcome.kind === 'remote') return outcome.code === 0 ? 0 : 1
  if (outcome.kind === 'timeout') return 5
  return outcome.kind === 'usage' ? 7 : failureCode(outcome.failure)
}

/** 124 and 125 as in timeout(1) and env(1). */
function passedThrough(outcome: CliOutcome): number {
  if (outcome.kind === 'remote') return outcome.code < 0 ? 125 : Math.min(outcome.code, 255)
  return outcome.kind === 'timeout' ? 124 : 125
}

function failureCode(failure: LinkFailure): number {
  switch (failure.kind) {
    case 'connect':
      return 2
    case 'auth':
      return 3
    case 'refused':
      return 4
    case 'timeout':
    case 'protocol':
    case 'lost':
      return 6
    case 'unsupported':
      return 7
    case 'cancelled':
      return 130
  }
}
