import * as z from 'zod'
import type { Json } from '../../document/json.ts'
import { Failed } from '../../failure.ts'
import { diskFull } from '../contract/disk-full.ts'
import { once } from '../contract/once.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath, remoteField, repoField } from '../contract/schema-fields.ts'
import type { CheckFinding, StepContext, StepKind, StepResult } from '../contract/step.ts'
import { ask, git, gitArgv, objectsOf, type Repo, repoAt, withoutSshPrompts } from './git.ts'
import { openRepository } from './repository.ts'

const schema = once(() =>
  z.strictObject({
    repo: repoField(),
    remote: remoteField(),
    depth: z
      .int()
      .min(1)
      .optional()
      .describe('Fetch only that many commits of each branch. Only for clones that are shallow already.'),
    tags: z.boolean().default(true).describe('Fetch tags too, moved ones included.'),
    prune: z
      .boolean()
      .default(true)
      .describe('Forget what the remote has deleted; your own branches, tags and remote branches stay.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

export const gitFetch: StepKind<With> = {
  uses: 'git.fetch',
  summary:
    'Fetches branches and tags into refs/hostops, so that no ref of yours moves and moved tags are seen.',
  schema,
  outputs: { remote: 'string', branches: 'int', tags: 'int', movedTags: 'list' },
  timeoutMs: 5 * 60_000,
  plan: {
    effect: () => 'fetch',
    about: input => ({ repoPath: input.repo }),
    locks: input => [`checkout:${canonicalPath(input.repo)}`],
    commands: input => {
      const repo = repoAt(canonicalPath(input.repo))
      return [{ argv: gitArgv(repo, fetchArgs(input, publishedRefs(input), input.depth)) }]
    },
  },
  act: {
    async run(ctx, input): Promise<StepResult> {
      const { repo, shallow } = await openRepository(ctx, canonicalPath(input.repo))
      if (input.depth !== undefined && !shallow) {
        ctx.say('depth is left aside: this clone is complete, and a depth would cut its history off')
      }
      await fetchInto(ctx, repo, input, publishedRefs(input), shallow ? input.depth : undefined)
      const outputs = await fetched(ctx, repo, input.remote)
      const moved = outputs.movedTags
      if (moved.length > 0) ctx.say(`tags that have moved upstream: ${moved.slice(0, 10).join(', ')}`)
      return { changed: false, outputs: { ...outputs } }
    },
  },
  look: {
    async check(ctx, input): Promise<CheckFinding[]> {
      const { repo } = await openRepository(ctx, canonicalPath(input.repo))
      const url = await remoteUrl(ctx, repo, input.remote)
      return [{ text: `fetches ${input.remote} (${url})`, seen: { remote: input.remote, url } }]
    },
  },
}

export const privateRefs = (remote: string) => `refs/hostops/${remote}`

/** For single refspecs too: a missing commit, the rest of a shallow history. */
export async function fetchInto(
  ctx: StepContext,
  repo: Repo,
  from: { remote: string; prune?: boolean },
  specs: readonly string[],
  depth?: number,
  more: readonly string[] = [],
): Promise<void> {
  await remoteUrl(ctx, repo, from.remote)
  const ssh = await withoutSshPrompts(ctx, repo)
  const args = fetchArgs({ remote: from.remote, prune: from.prune ?? false }, specs, depth, more)
  const done = await git(ctx, repo, [...ssh, ...args], { repeatable: true })
  if (done.code === 0) return
  const full = diskFull(done.stderr, ctx.redact)
  if (full !== null) throw full
  throw new Failed({
    code: 'fetch-failed',
    repo: repo.path,
    remote: from.remote,
    detail: ctx.redact(cause(done.stderr)).slice(0, 500) || `git ended with exit code ${done.code}`,
  })
}

export function fetchArgs(
  from: { remote: string; prune: boolean },
  specs: readonly string[],
  depth?: number,
  more: readonly string[] = [],
): string[] {
  return [
    // Their reflog tells later that a commit was once published, which is what a rewritten history needs.
    ...['-c', 'core.logAllRefUpdates=always'],
    'fetch',
    '--no-tags',
    // Without it git moves refs/remotes along with whatever else it fetches.
    '--refmap=',
    '--no-write-fetch-head',
    '--no-auto-maintenance',
    '--no-recurse-submodules',
    '--no-progress',
    from.prune ? '--prune' : '--no-prune',
    ...(depth === undefined ? [] : [`--depth=${depth}`]),
    ...more,
    '--end-of-options',
    from.remote,
    ...specs,
  ]
}

/** What counts as published: pull requests and other refs of a remote are left out. */
export function publishedRefs(input: { remote: string; tags: boolean }): string[] {
  const to = privateRefs(input.remote)
  return [`+refs/heads/*:${to}/heads/*`, ...(input.tags ? [`+refs/tags/*:${to}/tags/*`] : [])]
}

async function fetched(ctx: StepContext, repo: Repo, remote: string) {
  const base = privateRefs(remote)
  const shaOf = await objectsOf(ctx, repo, [base, 'refs/tags'])
  const names = [...shaOf.keys()]
  const tags = names.filter(name => name.startsWith(`${base}/tags/`)).map(name => name.slice(base.length + 6))
  const movedTags: Json[] = tags.filter(tag => {
    const own = shaOf.get(`refs/tags/${tag}`)
    return own !== undefined && own !== shaOf.get(`${base}/tags/${tag}`)
  })
  const branches = names.filter(name => name.startsWith(`${base}/heads/`)).length
  return { remote, branches, tags: tags.length, movedTags }
}

/** Without git's closing remarks, which say the same for every cause. */
function cause(stderr: string): string {
  const remark =
    /^(From |fatal: Could not read from remote repository|Please make sure you have|and the repository exists| [*+=!-] | {3}|warning: )/
  const said = lines(stderr).filter(line => !remark.test(line))
  return said.slice(-3).join('; ')
}

/** Throws where there is none of that name: git would take it for a folder, which a tree may well have. */
export async function remoteUrl(ctx: StepContext, repo: Repo, remote: string): Promise<string> {
  try {
    const url = await ask(ctx, repo, ['remote', 'get-url', '--end-of-options', remote])
    return url.replace(/^([a-z+]+:\/\/)[^@/]*@/i, '$1')
  } catch (error) {
    if (!(error instanceof Failed) || error.failure.code !== 'command-failed') throw error
    throw new Failed({
      code: 'fetch-failed',
      repo: repo.path,
      remote,
      detail: `there is no remote ${remote}`,
    })
  }
}
