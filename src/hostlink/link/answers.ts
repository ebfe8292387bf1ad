/** Checks what a daemon sent, by hand: the client starts in milliseconds and trusts nobody. */

import type { JobInfo } from '../../jobs/job-info.ts'
import { quietly } from '../../process/quietly.ts'
import { EXEC, type Fields, type Kind, PING, TAIL } from '../answer-fields.ts'
import type {
  Envelope,
  ExecAnswer,
  JobListAnswer,
  JobTailAnswer,
  PingAnswer,
  RunAnswer,
} from '../messages.ts'
import type { AnswerBody, LinkFailure, Result } from './link.ts'

/** An answer whose envelope is right, and its text exactly as it came. */
export type Received = { answer: Envelope & AnswerBody; text: string }

export function parseAnswer(payload: Buffer): Received | { fault: string } {
  // Invalid UTF-8 is replaced, not refused: the existing daemon copies raw output into its JSON.
  const text = payload.toString('utf8')
  const answer = quietly((): unknown => JSON.parse(text))
  if (answer === undefined) return { fault: 'the answer is not JSON' }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer))
    return { fault: 'the answer is not an object' }
  const fault = wrongField(answer as AnswerBody, ENVELOPE)
  return fault === null ? { answer: answer as Received['answer'], text } : { fault }
}

/** Failures before the daemon knows the id carry none. */
export const answersTo = (answer: Envelope, id: string): boolean =>
  answer.id === id ||
  (answer.id === '' && (answer.status === 'auth_failed' || answer.status === 'bad_request'))

/** Divides answers into values and failures. A command stopped at its limit counts as a value. */
export function settle<T>(received: Received, check: (answer: AnswerBody) => string | null): Result<T> {
  const { answer } = received
  if (answer.status === 'auth_failed') return fail({ kind: 'auth' })
  if (answer.status !== 'ok' && answer.status !== 'timeout') {
    if (answer['cancelled'] === true)
      return fail({ kind: 'cancelled', confirmed: true, answer: answer as unknown as ExecAnswer })
    return fail({
      kind: 'refused',
      status: answer.status,
      message: typeof answer.error_msg === 'string' ? answer.error_msg : 'no reason given',
      node: answer.node,
      answer,
    })
  }
  const fault = check(answer)
  return fault === null
    ? { ok: true, value: answer as unknown as T }
    : fail({ kind: 'protocol', reason: fault })
}

export const fail = (failure: LinkFailure): { ok: false; failure: LinkFailure } => ({ ok: false, failure })

export const settlePing = (received: Received) => settle<PingAnswer>(received, a => wrongField(a, PING))
export const settleExec = (received: Received) => settle<ExecAnswer>(received, a => wrongField(a, EXEC))
export const settleInfo = (received: Received) =>
  settle<Envelope & JobInfo>(received, a => wrongField(a, JOB_INFO))
export const settleTail = (received: Received) => settle<JobTailAnswer>(received, wrongTail)
export const settleFlag = (received: Received, field: string) =>
  settle<AnswerBody>(received, a => (typeof a[field] === 'boolean' ? null : wrong(field)))

export const settleRunAnswer = (received: Received) => settle<RunAnswer>(received, a => wrongField(a, RUN))

export const settleJobs = (received: Received) =>
  settle<JobListAnswer & { jobs: JobInfo[] }>(received, answer => {
    if (!Array.isArray(answer['jobs'])) return wrong('jobs')
    for (const job of answer['jobs']) {
      const fault = typeof job === 'object' && job !== null ? wrongField(job, JOB_INFO) : wrong('jobs')
      if (fault !== null) return fault
    }
    return null
  })

const ENVELOPE: Fields = { id: 'string', node: 'string', status: 'string', error_msg: 'string?' }
const JOB_INFO: Fields = {
  job_id: 'string',
  state: 'string',
  done: 'boolean',
  command: 'string?',
  created_at: 'integer?',
  ended_at: 'integer?',
  exit_code: 'integer?',
  duration_ms: 'integer?',
  stdout_bytes: 'integer?',
  stderr_bytes: 'integer?',
  stdout_original_bytes: 'integer?',
  stderr_original_bytes: 'integer?',
  stdout_truncated: 'boolean?',
  stderr_truncated: 'boolean?',
  timeout_ms: 'integer?',
  pid: 'integer?',
  workdir: 'string?',
  error_msg: 'string?',
}
const RUN: Fields = {
  run_id: 'string?',
  job_id: 'string?',
  attached: 'boolean?',
  done: 'boolean?',
  exit_code: 'integer?',
  stdout: 'string?',
  stderr: 'string?',
  data: 'string?',
  next_offset: 'integer?',
  run_status: 'string?',
  step: 'string?',
  already: 'boolean?',
}
/** Going backwards would make a reader ask for ever. */
function wrongTail(answer: AnswerBody): string | null {
  const fault = wrongField(answer, TAIL)
  if (fault !== null) return fault
  return Number(answer['next_offset']) < Number(answer['offset']) ? wrong('next_offset') : null
}

const wrong = (field: string) => `the answer's field ${field} is missing or of the wrong type`

function wrongField(answer: AnswerBody, fields: Fields): string | null {
  for (const [field, kind] of Object.entries(fields)) {
    const value = answer[field]
    const optional = kind.endsWith('?')
    if (optional && (value === undefined || value === null)) continue
    if (!isA(value, (optional ? kind.slice(0, -1) : kind) as Kind)) return wrong(field)
  }
  return null
}

function isA(value: unknown, kind: Kind): boolean {
  if (kind === 'integer') return Number.isSafeInteger(value)
  if (kind === 'strings') return Array.isArray(value) && value.every(item => typeof item === 'string')
  return kind === 'boolean' ? typeof value === 'boolean' : typeof value === 'string'
}
