import * as z from 'zod'
import { parseDuration, timeLimitSchema } from '../duration.ts'
import { Failed } from '../failure.ts'
import { once } from './contract/once.ts'
import type { StepKind } from './contract/step.ts'

const schema = once(() =>
  z.strictObject({
    within: timeLimitSchema().default('10m').describe('How long to wait for: hostops confirm RUN.'),
    by: z
      .enum(['caller', 'other'])
      .default('caller')
      .describe(
        '`other` refuses the user or token that started the run, so that a second person confirms it.',
      ),
  }),
)

export const ONLY_ON_HOST =
  'a confirmation can only be waited for on the host: run it with --on-host or --detach'

/** A dead man's switch only where the engine outlives the client: elsewhere it could not roll back any more. */
export const confirm: StepKind<z.infer<ReturnType<typeof schema>>> = {
  uses: 'confirm',
  summary: 'Rolls back unless somebody confirms the run in time over a new connection. Needs --on-host.',
  schema,
  outputs: {},
  timeoutMs: 24 * 60 * 60_000,
  plan: {
    effect: () => 'read',
    limitMs: input => parseDuration(input.within)!,
    commands: () => [],
  },
  act: {
    async run(ctx, input) {
      if (ctx.confirmed === null) {
        throw new Failed({ code: 'approval-denied', step: ctx.stepId, reason: ONLY_ON_HOST })
      }
      if (await ctx.confirmed(parseDuration(input.within)!, input.by)) return { changed: false }
      const reason = `nobody ${input.by === 'other' ? 'else ' : ''}confirmed it within ${input.within}`
      throw new Failed({ code: 'approval-denied', step: ctx.stepId, reason })
    },
  },
}
