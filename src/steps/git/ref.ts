/** A name as people write it becomes one commit, once; everything afterwards uses the commit. */

import { nearest } from '../../document/nearest.ts'
import { Failed } from '../../failure.ts'
import { isCommitName, isFullCommitName } from '../contract/ref-name.ts'
import type { StepContext } from '../contract/step.ts'
import { fetchInto, privateRefs } from './fetch.ts'
import { ask, objectsOf, readGit } from './git.ts'
import { type Allowed, requireAllowed, requirePublished } from './published.ts'
import type { Opened } from './repository.ts'

export type Resolved = {
  kind: 'branch' | 'tag' | 'commit'
  /** Without refs/heads or refs/tags. */
  name: string
  sha: string
  /** Where it was found, in full. */
  from: string
  /** The tag object, which may be signed, or the commit. */
  object: string
}

type Found = { kind: 'branch' | 'tag'; from: string; object: string }

export async function resolveRef(
  ctx: StepContext,
  opened: Opened,
  ref: string,
  remote: string,
  allowed: Allowed = {},
): Promise<Resolved> {
  const isFetched = ({ from }: Resolved) => from.startsWith(`${privateRefs(remote)}/`)
  let found = await find(ctx, opened, ref, remote)
  if (!isFetched(found) && !allowed.unpublished) {
    await requirePublished(ctx, opened, { ref, sha: found.sha, remote })
    // That may have fetched the ref of this name, which decides then, as it does in a check.
    found = await find(ctx, opened, ref, remote)
  }
  const isOwn = !isFetched(found) && (await ask(ctx, opened.repo, ['remote'])) !== ''
  await requireAllowed(ctx, opened, {
    ...{ ref, remote, refs: allowed.refs },
    // Whoever may write the checkout can give a ref of its own any name.
    found: isOwn ? { ...found, kind: 'commit' } : found,
  })
  return found
}

/** The fetched refs decide; the checkout's own ones only where nothing of that name was fetched. */
async function find(ctx: StepContext, opened: Opened, ref: string, remote: string): Promise<Resolved> {
  if (isFullCommitName(ref)) return commit(ctx, opened, ref.toLowerCase(), remote)
  const wanted = wantedRef(ref)
  const all = levels(wanted, remote)
  const names = all.flatMap(level => level.map(({ from }) => from))
  const present = await objectsOf(ctx, opened.repo, names)
  for (const level of all) {
    const found = level.flatMap(({ kind, from }): Found[] => {
      const object = present.get(from)
      return object === undefined ? [] : [{ kind, from, object }]
    })
    if (found.length > 1) throw ambiguous(opened, ref, wanted.name)
    if (found[0]) return resolved(ctx, opened, wanted.name, found[0])
  }
  if (isCommitName(ref)) return commit(ctx, opened, ref, remote)
  throw await notFound(ctx, opened, ref, remote)
}

export type WantedRef = { name: string; kinds: ('branch' | 'tag')[] }

export function wantedRef(ref: string): WantedRef {
  // A branch HEAD, which git itself does not make, would be in the way of HEAD from then on.
  if (ref === 'HEAD' || ref === branchRef('HEAD')) return { name: 'HEAD', kinds: ['tag'] }
  if (ref.startsWith('refs/heads/')) return { name: ref.slice('refs/heads/'.length), kinds: ['branch'] }
  if (ref.startsWith('refs/tags/')) return { name: ref.slice('refs/tags/'.length), kinds: ['tag'] }
  return { name: ref, kinds: ['branch', 'tag'] }
}

export const branchRef = (name: string) => `refs/heads/${name}`

function levels({ name, kinds }: WantedRef, remote: string) {
  const at = (branches: string, tags: string) =>
    kinds.map(kind => ({ kind, from: `${kind === 'branch' ? branches : tags}/${name}` }))
  return [
    at(`${privateRefs(remote)}/heads`, `${privateRefs(remote)}/tags`),
    at(`refs/remotes/${remote}`, 'refs/tags'),
    at('refs/heads', 'refs/tags'),
  ]
}

async function resolved(ctx: StepContext, opened: Opened, name: string, found: Found): Promise<Resolved> {
  const sha = await commitAt(ctx, opened, found.object)
  if (sha === null) throw await notFound(ctx, opened, name, '')
  return { kind: found.kind, name, sha, from: found.from, object: found.object }
}

/** A shallow clone lacks most commits; a full name can be asked for at the remote. */
async function commit(ctx: StepContext, opened: Opened, name: string, remote: string): Promise<Resolved> {
  let sha = await commitAt(ctx, opened, name)
  if (sha === null && isFullCommitName(name)) {
    ctx.say(`${name.slice(0, 12)} is not in this clone: asking ${remote} for it`)
    try {
      await fetchInto(ctx, opened.repo, { remote }, [name], opened.shallow ? 1 : undefined)
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      throw error.failure.code === 'fetch-failed' ? await notFound(ctx, opened, name, remote) : error
    }
    sha = await commitAt(ctx, opened, name)
  }
  if (sha === null) throw await notFound(ctx, opened, name, remote)
  return { kind: 'commit', name: sha, sha, from: sha, object: sha }
}

export async function commitAt(ctx: StepContext, opened: Opened, name: string): Promise<string | null> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]
  const done = await readGit(ctx, opened.repo, args)
  return done.code === 0 ? done.stdout.trim() : null
}

/** Fetched where it is not there; false where the remote does not give it. */
export async function haveCommit(
  ctx: StepContext,
  opened: Opened,
  { sha, remote }: { sha: string; remote: string },
): Promise<boolean> {
  if ((await commitAt(ctx, opened, sha)) !== null) return true
  try {
    await fetchInto(ctx, opened.repo, { remote }, [sha], opened.shallow ? 1 : undefined)
    return (await commitAt(ctx, opened, sha)) !== null
  } catch (error) {
    if (error instanceof Failed && error.failure.code === 'fetch-failed') return false
    throw error
  }
}

function ambiguous(opened: Opened, ref: string, name: string): Failed {
  const candidates = [`refs/heads/${name}`, `refs/tags/${name}`]
  return new Failed({ code: 'ref-ambiguous', repo: opened.repo.path, ref, candidates })
}

async function notFound(ctx: StepContext, opened: Opened, ref: string, remote: string): Promise<Failed> {
  const places = [privateRefs(remote), `refs/remotes/${remote}`, 'refs/heads', 'refs/tags']
  const done = await readGit(ctx, opened.repo, ['for-each-ref', '--format=%(refname)', ...places])
  const known = new Set(done.stdout.split(/\r?\n/).flatMap(line => shortName(line, remote) ?? []))
  const own = ref.startsWith(`${remote}/`) ? ref.slice(remote.length + 1) : ref
  const suggestion = known.has(own) ? own : nearest(wantedRef(ref).name, known)
  const isElsewhere = ref.startsWith('refs/') || (await commitAt(ctx, opened, ref)) !== null
  if (suggestion === undefined && isElsewhere) {
    return new Failed({ code: 'ref-not-published', repo: opened.repo.path, ref, remote })
  }
  return new Failed({
    code: 'ref-not-found',
    repo: opened.repo.path,
    ref,
    ...(suggestion === undefined || suggestion === ref ? {} : { suggestion }),
  })
}

function shortName(line: string, remote: string): string | null {
  const prefixes = [
    `${privateRefs(remote)}/heads/`,
    `${privateRefs(remote)}/tags/`,
    `refs/remotes/${remote}/`,
  ]
  for (const prefix of [...prefixes, 'refs/heads/', 'refs/tags/']) {
    if (line.startsWith(prefix)) return line.slice(prefix.length)
  }
  return null
}
