/** The one place where failures become words: lower case, no full stop, then what to type next. */
import type { Failure } from '../failure.ts'
import { ASKING } from './asking.ts'
import { GIT } from './git.ts'
import type { Worded, Words } from './phrases.ts'
import { RUN } from './run.ts'
import { SERVICES } from './services.ts'
import { TARGET } from './target.ts'

const WORDS: Words<Failure> = { ...ASKING, ...TARGET, ...GIT, ...SERVICES, ...RUN }

// The entry of a code takes the failure of that code: what TypeScript cannot follow through a lookup.
export const word = (failure: Failure): Worded =>
  (WORDS[failure.code] as (failure: Failure) => Worded)(failure)

export const sentence = (failure: Failure): string => word(failure).message
