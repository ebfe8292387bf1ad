/** Human output of an exec, byte for byte that of the existing client; and an answer as one compact line. */

import type { ExecAnswer } from '../messages.ts'
import type { CliOutcome } from './exit-code.ts'
import { withoutControls } from './wording.ts'

/** `head` goes to stderr first, then the two texts to where they belong. */
export type Printed = { head: string; stdout: string; stderr: string }

export function printExec(answer: ExecAnswer): Printed {
  const say = (text: string) => `[${withoutControls(answer.node)}] ${text}\n`
  const stdout = answer.stdout ?? ''
  const stderr = answer.stderr ?? ''
  const warnings = clamped(answer, say) + binary(answer, say)
  if (answer.detached === true) return detached(answer, warnings, say)
  const time = answer.duration_ms ?? 0
  if (answer.status === 'timeout') {
    const files = (['stdout', 'stderr'] as const).map(name => {
      const file = answer[`${name}_file`]
      return file === undefined ? '' : say(`partial ${name}:${withoutControls(file)}`)
    })
    return { head: warnings + say(`timeout after ${time}ms`) + files.join(''), stdout, stderr }
  }
  return { head: warnings + say(`exit=${answer.exit_code} time=${time}ms${notes(answer)}`), stdout, stderr }
}

export function outcomeOf(answer: ExecAnswer): CliOutcome {
  if (answer.status === 'timeout') return { kind: 'timeout' }
  return answer.detached === true ? { kind: 'done' } : { kind: 'remote', code: answer.exit_code }
}

/** Passed through, these two of the command's codes look like our own; the existing client says so. */
export const collision = (answer: ExecAnswer): string =>
  answer.status === 'ok' && (answer.exit_code === 124 || answer.exit_code === 125)
    ? `[${withoutControls(answer.node)}] note: remote exited ${answer.exit_code}, which collides with hostlink's reserved range\n`
    : ''

/** The answer as it came, without blanks between its parts and in its own order. */
export function compactJson(text: string): string {
  const parts: string[] = []
  for (let at = 0; at < text.length; ) {
    const opening = text.indexOf('"', at)
    const outside = opening < 0 ? text.slice(at) : text.slice(at, opening)
    parts.push(outside.replace(/\s+/g, ''))
    if (opening < 0) break
    at = endOfString(text, opening)
    parts.push(text.slice(opening, at))
  }
  return parts.join('')
}

/** Behind the closing quote. Scanned by hand: strings of 64 MiB are common, and a pattern would overflow its stack. */
function endOfString(text: string, opening: number): number {
  for (let quote = text.indexOf('"', opening + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let before = quote
    while (text[before - 1] === '\\') before -= 1
    if ((quote - before) % 2 === 0) return quote + 1
  }
  return text.length
}

function notes(answer: ExecAnswer): string {
  const files = (['stdout', 'stderr'] as const).map(name => {
    const file = answer[`${name}_file`]
    return file === undefined ? '' : ` ${name}:${withoutControls(file)}`
  })
  const out = answer.stdout_truncated
    ? ` stdout:truncated(${answer.stdout_original_bytes ?? 0} total bytes)`
    : ''
  return files.join('') + out + (answer.stderr_truncated ? ' stderr:truncated' : '')
}

type Say = (text: string) => string

function clamped(answer: ExecAnswer, say: Say): string {
  const { timeout_requested_ms: requested = 0, timeout_effective_ms: effective = 0 } = answer
  if (!(effective > 0 && requested > effective)) return ''
  return say(
    `warning: requested timeout ${requested}ms exceeds this daemon's max_timeout_ms; ${effective}ms was used`,
  )
}

function binary(answer: ExecAnswer, say: Say): string {
  const streams = (['stdout', 'stderr'] as const).filter(name => answer[`${name}_binary`] === true)
  if (streams.length === 0) return ''
  return say(
    `warning: ${streams.join(' and ')} had bytes that are no text; --stream or -O gives the exact bytes`,
  )
}

function detached(answer: ExecAnswer, warnings: string, say: Say): Printed {
  const id = answer.job_id
  if (!id)
    return {
      head: warnings + say('detached - launched in background (the daemon gave no job id)'),
      stdout: '',
      stderr: '',
    }
  const how = say(
    `detached - job ${withoutControls(id)} (job status/tail/wait/cancel ${withoutControls(id)})`,
  )
  return { head: warnings + how, stdout: `${withoutControls(id)}\n`, stderr: '' }
}
