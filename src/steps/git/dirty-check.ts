import * as z from 'zod'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { canonicalPath, repoField } from '../contract/schema-fields.ts'
import type { CheckFinding, StepContext, StepKind, StepResult } from '../contract/step.ts'
import { withBorrowed } from './borrowed.ts'
import { gitArgv, repoAt } from './git.ts'
import { type Opened, openRepository } from './repository.ts'
import {
  dirtyTree,
  type LocalChange,
  localChanges,
  pathspecs,
  STATUS,
  shownChanges,
  trackedDigest,
} from './status.ts'

const schema = once(() =>
  z.strictObject({
    repo: repoField(),
    allow: z.boolean().default(false).describe('Go on although there are local changes; they are reported.'),
    ignore: z
      .array(z.string().min(1))
      .default([])
      .describe('Globs, relative to the checkout, of files whose changes do not matter: ["data/**"].'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

export const gitDirtyCheck: StepKind<With> = {
  uses: 'git.dirty-check',
  summary: 'Refuses to go on when the checkout has local changes, submodules and hidden ones included.',
  schema,
  outputs: { dirty: 'bool', sha: 'string', branch: 'string', entries: 'list' },
  timeoutMs: 2 * 60_000,
  plan: {
    effect: () => 'read',
    about: input => ({ repoPath: input.repo }),
    locks: input => [`checkout:${canonicalPath(input.repo)}`],
    commands: input => {
      const repo = repoAt(canonicalPath(input.repo))
      const paths = pathspecs(input.ignore)
      return [
        { argv: gitArgv(repo, [...STATUS, ...paths]) },
        { argv: gitArgv(repo, ['ls-files', '-v', '--stage', ...paths]) },
      ]
    },
  },
  act: {
    async run(ctx, input): Promise<StepResult> {
      const { opened, entries } = await look(ctx, input)
      if (entries.length > 0 && !input.allow) throw new Failed(dirtyTree(input.repo, entries))
      if (entries.length > 0)
        ctx.say(`${entries.length} local changes, allowed: ${shownChanges(entries).join(', ')}`)
      const { sha, branch } = opened.head
      return {
        changed: false,
        outputs: { dirty: entries.length > 0, sha, branch: branch ?? '', entries: shownChanges(entries) },
        facts: { dirtyRepo: entries.length > 0, beforeSha: sha, beforeBranch: branch },
      }
    },
  },
  look: {
    async check(ctx, input): Promise<CheckFinding[]> {
      const opened = await openRepository(ctx, canonicalPath(input.repo))
      const entries = await withBorrowed(ctx, opened, ({ repo }) => localChanges(ctx, repo, input.ignore))
      const failure = entries.length > 0 && !input.allow ? dirtyTree(input.repo, entries) : null
      return [
        {
          text: entries.length === 0 ? 'no local changes' : `${entries.length} local changes`,
          seen: { changes: trackedDigest(entries), untracked: entries.some(entry => entry.code === '??') },
          ...(failure ? { failure } : {}),
        },
      ]
    },
  },
}

async function look(ctx: StepContext, input: With): Promise<{ opened: Opened; entries: LocalChange[] }> {
  const opened = await openRepository(ctx, canonicalPath(input.repo))
  return { opened, entries: await localChanges(ctx, opened.repo, input.ignore) }
}
