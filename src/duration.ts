/** Durations as playbooks, inputs and options write them: one whole number and one unit. */
import * as z from 'zod'

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const
const DURATION = /^(0|[1-9][0-9]{0,11})(ms|s|m|h)$/
const TIME_LIMIT = /^[1-9][0-9]{0,11}(ms|s|m|h)$/

/** Timers take 31 bits; nothing that hostops waits for comes near 24 days. */
export const MAX_DURATION_MS = 2 ** 31 - 1
export const DURATION_HINT = 'a duration: a whole number and ms, s, m or h, like 500ms, 30s, 5m or 2h'
export const TIME_LIMIT_HINT =
  'a duration: a whole number from 1 and ms, s, m or h, like 500ms, 30s, 5m or 2h'

/** Milliseconds, or null when the text is not a duration. */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text)
  if (match === null) return null
  const ms = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS]
  return ms <= MAX_DURATION_MS ? ms : null
}

/** In the largest unit that divides it, so that `parseDuration` gives the same number back. */
export function printDuration(ms: number): string {
  if (ms === 0) return '0s'
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms % UNIT_MS[unit] === 0) return `${ms / UNIT_MS[unit]}${unit}`
  }
  return `${Math.round(ms)}ms`
}

/** For step schemas: text in, the same text out; `parseDuration` makes the number where it is needed. */
export const durationSchema = () => textOf(DURATION, DURATION_HINT)

/** Of what may take so long, and not of a pause: in no time at all nothing can be done. */
export const timeLimitSchema = () => textOf(TIME_LIMIT, TIME_LIMIT_HINT)

/** Milliseconds, or null when the text is no time limit. */
export const parseTimeLimit = (text: string): number | null => parseDuration(text) || null

function textOf(pattern: RegExp, hint: string) {
  return z
    .string(hint)
    .regex(pattern, hint)
    .refine(text => !pattern.test(text) || parseDuration(text) !== null, 'a duration of at most 24 days')
}
