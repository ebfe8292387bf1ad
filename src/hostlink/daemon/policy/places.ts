/** Places that all tokens share: running commands, jobs, questions to the program, connections. Pure. */
import type { Token } from './policy.ts'

/**
 * How many of them may be taken in all when this token takes one. The last quarter is for tokens without a policy, so
 * that no narrow one, nor all of them together, can keep the host's owner out.
 */
export const placesFor = ({ policy }: Pick<Token, 'policy'>, all: number): number =>
  policy.kind === 'full' ? all : Math.max(1, all - Math.ceil(all / 4))
