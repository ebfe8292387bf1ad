import * as z from 'zod'
import { once } from '../command/once.ts'
import { refField, remoteField, repoField } from '../fields.ts'

export const checkoutSchema = once(() =>
  z.strictObject({
    repo: repoField(),
    ref: refField(),
    remote: remoteField(),
    pull: z
      .enum(['ff-only', 'none'])
      .default('ff-only')
      .describe(
        'For a branch: forward to what was fetched (and nothing else), or stay where the local branch is.',
      ),
    submodules: z
      .boolean()
      .default(true)
      .describe('Bring submodules to the commits that the new tree names, and back again in a rollback.'),
    verify: z
      .enum(['signature'])
      .optional()
      .describe(
        'signature: refuse a tag or commit without a good signature by a key that the target trusts.',
      ),
  }),
)
export type CheckoutWith = z.infer<ReturnType<typeof checkoutSchema>>
