/** What every operation of a link stands on. */

import type { Feature, PingAnswer } from '../messages.ts'
import type { Received } from './answers.ts'
import type { RequestBody } from './channel.ts'
import type { LinkFailure, RequestOptions, Result } from './link.ts'
import type { Pool } from './pool.ts'

export const SHORT_ANSWER_MS = 30_000

export type LinkContext = {
  pool: Pool
  hello: PingAnswer
  features: ReadonlySet<string>
  /** When the daemon began, as far as its first answer tells. */
  startedAt: number
  nextId(): string
  /** One request that is answered soon, and its answer checked. */
  ask<T>(
    body: RequestBody,
    options: RequestOptions | undefined,
    settle: (received: Received) => Result<T>,
  ): Promise<Result<T>>
  /** The first of these features that the daemon did not announce. */
  lacking(...needed: (Feature | false)[]): LinkFailure | null
}
