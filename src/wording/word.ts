/** The one place where failures become words: lower case, no full stop, then what to type next. */
import type { Failure, FailureCode } from '../failure.ts'
import { GIT } from './git-words.ts'
import type { Worded, Words } from './phrases.ts'
import { goOn, RUN } from './run-words.ts'
import { SERVICES } from './services-words.ts'
import { TARGET } from './target-words.ts'
import { USAGE, wordMistake } from './usage-words.ts'

const WORDS: Words<Failure> = {
  ...{ ...USAGE, ...TARGET, ...GIT, ...SERVICES, ...RUN },
  // Here, because they tell another failure.
  usage: (failure, at) =>
    failure.what === 'not-asked'
      ? {
          message: `what became of run ${failure.runId} could not be asked: ${sentence(failure.because)}`,
          hint: `hostops doctor --target ${failure.target} tells why, hostops report ${failure.runId} asks again`,
        }
      : wordMistake(failure, at),
  'half-way': ({ runId, step, failed, left }, at) => {
    const end = failed ? `${step} has failed: ${sentence(failed)}` : 'all that was begun has ended well'
    const rest = left.length === 0 ? 'nothing was taken back' : `not begun: ${left.join(', ')}`
    const finish = failed ? '' : `hostops resume ${runId}${at} finishes it, `
    return {
      message: `the run was left half-way; ${end}; ${rest}`,
      hint: `${finish}hostops rollback ${runId}${at} takes it back`,
    }
  },
  'no-longer-holds': ({ runId, step, because }, at) => ({
    message: `what ${step} has done no longer holds, so that nothing was done behind it: ${sentence(because)}`,
    hint: `look at the host; hostops rollback ${runId}${at} takes back what the run has begun`,
  }),
}

/** Also for what another hostops has sent: a code or a shape that is not known here is reported by its code. */
export function word(failure: Failure, at = ''): Worded {
  // The entry of a code takes the failure of that code, which TypeScript cannot follow through a lookup.
  const words = Object.hasOwn(WORDS, failure.code)
    ? (WORDS[failure.code] as (failure: Failure, at: string) => Worded)
    : null
  try {
    const worded = words?.(failure, at)
    if (typeof worded?.message === 'string' && typeof (worded.hint ?? '') === 'string') return worded
  } catch {
    // Its fields are not those of its code.
  }
  return { message: failure.code }
}

export const sentence = (failure: Failure): string => word(failure).message

/** Of a run whose end is open: always with what may be done about it. */
export function wordOpenEnd(failure: Failure, runId: string, at = ''): Worded {
  if (HINTS_AT_RUN.has(failure.code)) return word(failure, at)
  return { message: sentence(failure), hint: goOn(runId, at) }
}

const HINTS_AT_RUN: ReadonlySet<FailureCode> = new Set([
  'usage',
  'runner-gone',
  'runner-unseen',
  'end-not-seen',
  'half-way',
  'no-longer-holds',
  'record-incomplete',
  'still-runs',
])
