/** Words that all faces share. */
import type { Outcome } from '../engine/events.ts'

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

export function outcomeInWords(outcome: Outcome): string {
  switch (outcome) {
    case 'succeeded':
      return 'succeeded: done, and seen to be good'
    case 'unchanged':
      return 'unchanged: there was nothing to do'
    case 'planned':
      return 'planned: nothing was changed'
    case 'started':
      return 'started: the host goes on with it'
    case 'rolled-back':
      return 'rolled back: it failed, and the host is verified to be as before'
    case 'failed-unchanged':
      return 'failed: nothing had been changed'
    case 'invalid':
      return 'invalid: nothing was contacted, nothing was executed'
    case 'refused':
      return 'refused: nothing was changed'
    case 'unreachable':
      return 'unreachable: nothing was changed'
    case 'rollback-failed':
      return 'ROLLBACK FAILED: the host is not as before, a person is needed'
    case 'failed-changed':
      return 'FAILED: the host is not as before, a person is needed'
    case 'unknown':
      return 'UNKNOWN: how it ended is not known'
    case 'interrupted':
      return 'interrupted'
  }
}

/** By hand, whether the run had failed or not. */
export const TAKEN_BACK = 'rolled back, as it was asked for: the host is verified to be as before'

export const isGood = (outcome: Outcome) =>
  outcome === 'succeeded' || outcome === 'unchanged' || outcome === 'planned' || outcome === 'started'

export const plural = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`

/** What has to be typed, and until when. */
export function confirmInWords(
  { deadline }: { deadline: number },
  runId: string,
  typed: (command: string) => string = command => command,
): string {
  const until = new Date(deadline).toISOString().slice(0, 19)
  return `taken back unless this is typed before ${until}Z: ${typed(`hostops confirm ${runId}`)}`
}
