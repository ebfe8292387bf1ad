/**
 * What `git.checkout` would do: the remote is asked for its refs, and for a commit that no fetched ref holds. Nothing of it
 * gets into the checkout.
 */
import { Failed } from '../../failure.ts'
import { isFullCommitName } from '../contract/ref-name.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { CheckFinding, StepContext } from '../contract/step.ts'
import { withBorrowed } from './borrowed.ts'
import type { CheckoutWith } from './checkout-with.ts'
import { remoteUrl } from './fetch.ts'
import { requireForward } from './forward.ts'
import { ask, readGit, withoutSshPrompts } from './git.ts'
import { migrationFindings } from './migrates.ts'
import { requireSafeModules } from './modules.ts'
import { branchTip } from './move.ts'
import { type Allowed, requireAllowed, requirePublished } from './published.ts'
import { commitAt, resolveRef, wantedRef } from './ref.ts'
import { type Opened, openRepository } from './repository.ts'

type Upstream = { kind: 'branch' | 'tag' | 'commit'; name: string; sha: string }

export async function checkFindings(ctx: StepContext, input: CheckoutWith): Promise<CheckFinding[]> {
  const opened = await openRepository(ctx, canonicalPath(input.repo))
  const { head } = opened
  try {
    return await withBorrowed(ctx, opened, async borrowed => {
      const upstream = await targetOf(ctx, borrowed, input, input)
      const target = await staying(ctx, borrowed, input, upstream)
      const there = target.kind === 'branch' ? target.name : null
      const text = `HEAD ${place(head.branch, head.sha)} -> ${place(there, target.sha)}${await distance(ctx, borrowed, target.sha)}`
      const failure = await obstacle(ctx, borrowed, input, target)
      return [
        {
          text,
          seen: { head: { ...head }, target: target.sha, branch: there },
          ...(failure ? { failure } : {}),
        },
        ...(input.migrates
          ? await migrationFindings(ctx, borrowed, input.migrates, { ...input, sha: target.sha })
          : []),
      ]
    })
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    const text = `HEAD ${place(head.branch, head.sha)} -> ${input.ref} cannot be told`
    return [{ text, seen: { head: { ...head } }, failure: error.failure }]
  }
}

export const targetOf = async (
  ctx: StepContext,
  opened: Opened,
  input: Pick<CheckoutWith, 'ref' | 'remote'>,
  allowed: Allowed,
): Promise<Upstream> =>
  (await upstream(ctx, opened, input)) ?? (await resolveRef(ctx, opened, input.ref, input.remote, allowed))

/** With `pull: none` a branch that is there stays where it is. */
async function staying(ctx: StepContext, { repo }: Opened, { pull }: CheckoutWith, target: Upstream) {
  if (target.kind !== 'branch' || pull !== 'none') return target
  return { ...target, sha: (await branchTip(ctx, repo, target.name)) ?? target.sha }
}

/** The ref at the remote, now. Null when the remote has no such name (a commit, a local branch). */
async function upstream(
  ctx: StepContext,
  opened: Opened,
  input: Pick<CheckoutWith, 'ref' | 'remote'>,
): Promise<Upstream | null> {
  if (isFullCommitName(input.ref)) return null
  const { name, kinds } = wantedRef(input.ref)
  if ((await ask(ctx, opened.repo, ['remote'])) === '') return null
  await remoteUrl(ctx, opened.repo, input.remote)
  const ssh = await withoutSshPrompts(ctx, opened.repo)
  const asked = kinds.flatMap(kind =>
    kind === 'branch' ? [`refs/heads/${name}`] : [`refs/tags/${name}`, `refs/tags/${name}^{}`],
  )
  const done = await readGit(ctx, opened.repo, [
    ...ssh,
    'ls-remote',
    '--end-of-options',
    input.remote,
    ...asked,
  ])
  if (done.code !== 0) {
    const detail = done.stderr.trim().split('\n')[0] ?? ''
    throw new Failed({ code: 'fetch-failed', repo: opened.repo.path, remote: input.remote, detail })
  }
  const shaOf = new Map(
    done.stdout.split(/\r?\n/).map(line => [line.split('\t')[1] ?? '', line.split('\t')[0] ?? '']),
  )
  const branch = shaOf.get(`refs/heads/${name}`)
  const tag = shaOf.get(`refs/tags/${name}^{}`) ?? shaOf.get(`refs/tags/${name}`)
  if (branch !== undefined && tag !== undefined) {
    const candidates = [`refs/heads/${name}`, `refs/tags/${name}`]
    throw new Failed({ code: 'ref-ambiguous', repo: opened.repo.path, ref: input.ref, candidates })
  }
  if (branch !== undefined) return { kind: 'branch', name, sha: branch }
  return tag === undefined ? null : { kind: 'tag', name, sha: tag }
}

async function distance(ctx: StepContext, { repo, head }: Opened, sha: string): Promise<string> {
  if (head.sha === sha) return ' (no change)'
  const done = await readGit(ctx, repo, ['rev-list', '--left-right', '--count', `${head.sha}...${sha}`, '--'])
  if (done.code !== 0) return ' (commits not fetched yet)'
  const [back = 0, forward = 0] = done.stdout.trim().split(/\s+/).map(Number)
  const parts = [forward > 0 ? `${forward} forward` : '', back > 0 ? `${back} back` : ''].filter(Boolean)
  return ` (${parts.join(', ')})`
}

/** Known already, as far as the commit is there: before the fetch there may be nothing to say. */
async function obstacle(ctx: StepContext, opened: Opened, input: CheckoutWith, target: Upstream) {
  try {
    await requireAllowed(ctx, opened, { ...input, found: target })
    if ((await commitAt(ctx, opened, target.sha)) === null) return null
    const stays = target.kind === 'branch' && input.pull === 'none' && target.sha !== opened.head.sha
    if (stays && !input.unpublished) await requirePublished(ctx, opened, { ...input, sha: target.sha })
    await requireSafeModules(ctx, opened.repo, target.sha)
    if (target.kind !== 'branch' || input.pull === 'none' || opened.shallow) return null
    const { name: branch, sha } = target
    const local = await branchTip(ctx, opened.repo, branch)
    if (local !== null)
      await requireForward(ctx, opened, { branch, local, target: sha, remote: input.remote })
    return null
  } catch (error) {
    if (error instanceof Failed) return error.failure
    throw error
  }
}

const place = (branch: string | null, sha: string) =>
  `${branch === null ? '' : `${branch} `}${sha.slice(0, 12)}`
