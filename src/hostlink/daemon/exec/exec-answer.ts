/** From the end of a run to the fields of its answer. */
import { getSystemErrorMap } from 'node:util'
import { startFailureCode } from '../../../process/start.ts'
import { systemError } from '../../../process/system-error.ts'
import { MAX_PAYLOAD_BYTES } from '../../frame.ts'
import type { ExecAnswer, Status } from '../../messages.ts'
import type { Body } from '../peers/answer.ts'
import { fitJson, type Text, toText } from '../peers/answer-text.ts'
import type { Execution, ExecutionEnd } from './executions.ts'
import type { Limits } from './limits.ts'

type Asked = {
  readonly limits: Limits
  readonly id: string
  readonly isStream: boolean
  readonly isAttached: boolean
}
type Envelope = 'version' | 'id' | 'node' | 'status' | 'error_msg'
type Fields = Partial<Omit<ExecAnswer, Envelope | 'stdout' | 'stderr'>> & {
  stdout?: Text['text']
  stderr?: Text['text']
}

/** For everything of an answer that is not output. */
const ENVELOPE_ROOM = 64 * 1024

export function endBody(run: Execution, end: ExecutionEnd, asked: Asked): Body {
  const { limits } = asked
  const verdict = verdictOf(run, end)
  const texts = asked.isStream || run.files ? null : textsOf(run, asked)
  const { stdout, stderr } = run.output
  const fields: Fields = {
    exit_code: verdict.exitCode,
    ...(texts && { stdout: texts.stdout.text, stderr: texts.stderr.text }),
    ...(run.files && { stdout_file: run.files.stdout.path, stderr_file: run.files.stderr.path }),
    stdout_truncated: texts?.stdout.isTruncated ?? false,
    stderr_truncated: texts?.stderr.isTruncated ?? false,
    stdout_original_bytes: stdout.total,
    stderr_original_bytes: stderr.total,
    duration_ms: 'durationMs' in end ? end.durationMs : 0,
    ...(limits.clampedFrom !== null && {
      timeout_requested_ms: limits.clampedFrom,
      timeout_effective_ms: limits.timeoutMs,
    }),
    ...(texts?.stdout.isBinary && { stdout_binary: true }),
    ...(texts?.stderr.isBinary && { stderr_binary: true }),
    ...('signal' in end && end.signal !== null && { signal: end.signal }),
    ...(end.how === 'not-started' && end.what === 'program' && { start_error: end.errno }),
    ...(end.how === 'cancelled' && run.stopReason === 'cancelled' && { cancelled: true }),
    ...(asked.isAttached && { attached: true }),
  }
  const failure = verdict.reason === null ? {} : { error_msg: verdict.reason }
  return { status: verdict.status, ...failure, ...fields }
}

type Verdict = { status: Status; exitCode: number; reason: string | null }

function verdictOf(run: Execution, end: ExecutionEnd): Verdict {
  const failed = (reason: string): Verdict => ({ status: 'error', exitCode: -1, reason })
  switch (end.how) {
    case 'exited':
      return { status: 'ok', exitCode: end.code, reason: null }
    case 'timeout':
      return { status: 'timeout', exitCode: -2, reason: null }
    case 'cancelled':
      return failed(run.stopReason === 'shutdown' ? 'the daemon is shutting down' : 'cancelled')
    case 'output-failed': {
      const where = run.files ? ` to ${run.files[end.stream].path}` : ''
      return failed(`cannot write ${end.stream}${where}: ${wordsOf(end.error)}`)
    }
    case 'no-output-file':
      return failed(`cannot make output files in ${run.options.files?.folder}: ${wordsOf(end.error)}`)
    case 'not-started':
      if (end.what === 'workdir') return failed(`workdir not accessible: ${wordsOf({ code: end.errno })}`)
      if (end.what === 'system') return failed(`spawn failed: ${wordsOf({ code: end.errno })}`)
      return { status: 'ok', exitCode: startFailureCode(end.errno), reason: null }
  }
}

/** An answer has a largest size: what does not fit is cut off, and said to be. */
function textsOf(run: Execution, asked: Asked): Record<'stdout' | 'stderr', Text> {
  const kept = { stdout: run.output.stdout.kept(), stderr: run.output.stderr.kept() }
  const room = MAX_PAYLOAD_BYTES - ENVELOPE_ROOM - 6 * Buffer.byteLength(asked.id)
  const stderrRoom = Math.max(room / 2, room - 6 * kept.stdout.length)
  const stderrBytes = fitJson(kept.stderr, stderrRoom)
  const stdoutRoom = room - Math.min(6 * stderrBytes, stderrRoom)
  return {
    stdout: toText(
      kept.stdout,
      run.output.stdout.total,
      Math.min(asked.limits.stdoutBytes, fitJson(kept.stdout, stdoutRoom)),
    ),
    stderr: toText(kept.stderr, run.output.stderr.total, Math.min(asked.limits.stderrBytes, stderrBytes)),
  }
}

/** The words of strerror(3), as far as somebody has met them; else the system's own. */
function wordsOf(error: unknown): string {
  const { code, words } = systemError(error)
  if (words !== code) return words
  return [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1] ?? words
}
