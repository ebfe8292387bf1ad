import * as z from 'zod'
import { once } from '../contract/once.ts'
import { refField, remoteField, repoField } from '../contract/schema-fields.ts'
import { migratesField } from './migrates.ts'

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
    refs: z
      .array(z.string().regex(/^(refs\/)?(heads|tags)\/[^\s\u0000-\u001f\u007f]+$/, 'heads/... or tags/...'))
      .min(1)
      .optional()
      .describe(
        'Globs of the branches and tags that may be checked out: ["tags/v*", "heads/main"]. A commit only where such a ref names it.',
      ),
    unpublished: z
      .boolean()
      .default(false)
      .describe('Allow a commit that no branch or tag of the remote holds, such as one of a pull request.'),
    migrates: migratesField(),
    verify: z
      .enum(['signature'])
      .optional()
      .describe(
        'signature: refuse a tag or commit without a good signature by a key that the user or the system of the target trusts; .git/config is not asked.',
      ),
  }),
)
export type CheckoutWith = z.infer<ReturnType<typeof checkoutSchema>>
