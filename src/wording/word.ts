/** The one place where failures become words: lower case, no full stop, then what to type next. */
import type { Failure } from '../failure.ts'
import { ASKING } from './asking.ts'
import { GIT } from './git.ts'
import type { Worded, Words } from './phrases.ts'
import { RUN } from './run.ts'
import { SERVICES } from './services.ts'
import { TARGET } from './target.ts'

const WORDS: Words<Failure> = {
  ...{ ...ASKING, ...TARGET, ...GIT, ...SERVICES, ...RUN },
  // Here, because they tell another failure.
  'half-way': ({ runId, step, failed, left }) => {
    const end = failed ? `${step} has failed: ${sentence(failed)}` : 'all that was begun has ended well'
    const rest = left.length === 0 ? 'nothing was taken back' : `not begun: ${left.join(', ')}`
    const finish = failed ? '' : `hostops resume ${runId} finishes it, `
    return {
      message: `the run was left half-way; ${end}; ${rest}`,
      hint: `${finish}hostops rollback ${runId} takes it back`,
    }
  },
  'no-longer-holds': ({ runId, step, because }) => ({
    message: `what ${step} has done no longer holds, so that nothing was done behind it: ${sentence(because)}`,
    hint: `look at the host; hostops rollback ${runId} takes back what the run has begun`,
  }),
}

// The entry of a code takes the failure of that code: what TypeScript cannot follow through a lookup.
export const word = (failure: Failure): Worded =>
  (WORDS[failure.code] as (failure: Failure) => Worded)(failure)

export const sentence = (failure: Failure): string => word(failure).message
