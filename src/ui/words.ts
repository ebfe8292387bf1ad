/** Words that all faces share. */
import type { By, Event, Outcome } from '../engine/events.ts'

/** For people: `812ms`, `3.4s`, `41s`, `2m 05s`, `1h 02m`. */
export function elapsed(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 9950) return `${(ms / 1000).toFixed(1)}s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`
  return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`
}

const two = (n: number) => String(n).padStart(2, '0')

export const isGood = (outcome: Outcome) =>
  outcome === 'succeeded' || outcome === 'unchanged' || outcome === 'planned' || outcome === 'started'

/** Of the end of a rollback. */
export function verifiedInWords({
  verified,
  notVerified = [],
}: {
  verified: boolean | null
  notVerified?: readonly string[]
}): string {
  if (verified === null) return `not verified, nothing was seen of ${notVerified.join(', ')}`
  return verified ? 'verified, what was rolled back is as before' : 'FAILED, the host is not as before'
}

export const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

/** Empty where nobody is known; hosts of older versions do not say. */
export const byInWords = (by: By | null | undefined): string =>
  by ? ` by ${by.kind === 'token' ? 'token ' : by.kind === 'mcp' ? 'an agent of ' : ''}${by.name}` : ''

export const interruptedInWords = ({ signal, hard, by }: Extract<Event, { type: 'interrupting' }>): string =>
  hard
    ? `${signal} again${byInWords(by)}: no more rolling back`
    : `${signal}${byInWords(by)}: stopping in order (again: stops the rolling back too)`

/** What has to be typed, and until when. */
export function confirmInWords({ deadline, confirmer }: Awaited, runId: string, at = ''): string {
  const until = new Date(deadline).toISOString().slice(0, 19)
  const who = confirmer === 'other' ? 'somebody other than who started it types' : 'this is typed'
  return `taken back unless ${who} before ${until}Z: hostops confirm ${runId}${at}`
}

type Awaited = Pick<Extract<Event, { type: 'confirm-awaited' }>, 'deadline' | 'confirmer'>
