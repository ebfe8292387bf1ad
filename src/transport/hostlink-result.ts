/** From what a daemon answered, or did not, to what a transport tells. Pure. */
import type { Address, LinkFailure } from '../hostlink/link/link.ts'
import type { ExecAnswer } from '../hostlink/messages.ts'
import type { OutputCollector } from './collect-output.ts'
import type { Connected, ExecResult } from './transport.ts'

export function resultOfAnswer(answer: ExecAnswer, program: string, output: OutputCollector): ExecResult {
  const kept = output.kept(answer.duration_ms ?? 0)
  if (answer.status === 'timeout') return { kind: 'timeout', ...kept }
  if (answer.start_error !== undefined) {
    const why = answer.exit_code === 127 ? 'not-found' : 'not-executable'
    return { kind: 'not-started', why, detail: `${program}: ${answer.start_error}` }
  }
  return { kind: 'exited', code: answer.exit_code, signal: answer.signal ?? null, ...kept }
}

export const isBusy = (failure: LinkFailure): boolean =>
  failure.kind === 'refused' && failure.status === 'error' && failure.message.startsWith('server busy')

export function resultOfFailure(failure: LinkFailure, output: OutputCollector): ExecResult {
  switch (failure.kind) {
    case 'connect':
      return { kind: 'unreachable', reason: cannotConnect(failure), hint: connectHint(failure) }
    case 'auth':
      return { kind: 'auth-failed' }
    case 'refused':
      return refused(failure)
    case 'cancelled':
      if (failure.confirmed) return { kind: 'cancelled', ...output.kept(failure.answer?.duration_ms ?? 0) }
      return { kind: 'lost', reason: 'cancelled, but the daemon did not say that the command has ended' }
    case 'lost':
      if (failure.sent) return { kind: 'lost', reason: failure.reason }
      return { kind: 'unreachable', reason: failure.reason }
    case 'timeout':
      return { kind: 'lost', reason: `the daemon did not answer within ${failure.afterMs} ms` }
    case 'protocol':
      return { kind: 'lost', reason: `the daemon broke the rules of the wire: ${failure.reason}` }
    case 'unsupported':
      return { kind: 'not-started', why: 'other', detail: `the daemon does not offer ${failure.feature}` }
  }
}

export function connectedOfFailure(failure: LinkFailure): Extract<Connected, { ok: false }> {
  if (failure.kind === 'connect')
    return { ok: false, problem: 'unreachable', reason: cannotConnect(failure), hint: connectHint(failure) }
  if (failure.kind === 'auth') return { ok: false, problem: 'auth-failed' }
  const reason = () => {
    switch (failure.kind) {
      case 'refused':
        return `the daemon refused: ${failure.message}`
      case 'timeout':
        return `the daemon accepted the connection and then did not answer within ${failure.afterMs} ms`
      case 'protocol':
        return `what listens there is no hostlink daemon: ${failure.reason}`
      case 'lost':
        return failure.reason
      case 'cancelled':
        return 'cancelled'
      case 'unsupported':
        return `the daemon does not offer ${failure.feature}`
    }
  }
  return { ok: false, problem: 'unreachable', reason: reason() }
}

/** `error` without `exit_code` is a refusal before the start; with it, only these two mean that nothing ran. */
function refused({ status, message, answer }: Extract<LinkFailure, { kind: 'refused' }>): ExecResult {
  if (status === 'denied') return { kind: 'denied', rule: message }
  const not = (why: Extract<ExecResult, { kind: 'not-started' }>['why'], detail = message): ExecResult => ({
    kind: 'not-started',
    why,
    detail,
  })
  if (message.startsWith('request too large')) return not('too-large')
  if (status !== 'error') return not('other')
  if (message.startsWith('server busy')) return not('busy')
  if (message.startsWith('workdir not accessible')) return not('bad-cwd')
  if (/^spawn failed: (E2BIG|argument list too long)/i.test(message)) return not('too-large')
  if (message.startsWith('spawn failed') || answer['exit_code'] === undefined) return not('other')
  return { kind: 'lost', reason: message }
}

const where = (at: Address) => (at.kind === 'unix' ? at.path : `${at.host}:${at.port}`)

const cannotConnect = ({ at, reason }: { at: Address; reason: string }) =>
  `cannot connect to ${where(at)}: ${reason}`

function connectHint({ at, code }: { at: Address; code: string }): string {
  if (at.kind === 'tcp') return 'is hostlinkd running there, with tcp_enabled = true and this port?'
  if (code === 'EACCES') return `this user may not open the socket; see: ls -l ${at.path}`
  return 'is hostlinkd running on the host, and is its socket mounted here? HOSTLINK_SOCKET names another one'
}
