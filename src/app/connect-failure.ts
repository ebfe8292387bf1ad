/** Why a target could not be connected to. Pure. */
import type { Failure } from '../failure.ts'
import type { Connected } from '../transport/transport.ts'

export function failureOf(connected: Connected & { ok: false }, target: string): Failure {
  switch (connected.problem) {
    case 'bad-target':
      return {
        ...{ code: 'usage', what: 'target', reason: connected.reason },
        ...(connected.hint ? { hint: connected.hint } : {}),
      }
    case 'auth-failed':
      return { code: 'auth-failed', target }
    case 'unreachable':
      return {
        code: 'unreachable',
        target,
        reason: connected.reason,
        ...(connected.hint ? { hint: connected.hint } : {}),
      }
  }
}
