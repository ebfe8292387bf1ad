/** Which commits a caller may choose: those that a branch or tag of the remote holds, or fewer. */
import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import { fetchInto, privateRefs, publishedRefs } from './fetch.ts'
import { ask, type Repo, readGit } from './git.ts'
import type { Opened } from './repository.ts'

export type Allowed = { unpublished?: boolean; refs?: readonly string[] | undefined }

type Asked = { ref: string; sha: string; remote: string }

/** Asks the remote again before it refuses, because the last fetch may be old. */
export async function requirePublished(ctx: StepContext, opened: Opened, asked: Asked): Promise<void> {
  if (await isPublished(ctx, opened, asked)) return
  if ((await ask(ctx, opened.repo, ['remote'])) === '') return
  const { ref, remote } = asked
  ctx.say(`no fetched branch or tag holds ${asked.sha.slice(0, 12)}: fetching those of ${remote}`)
  const specs = publishedRefs({ remote, tags: true })
  // Behind the edge of a shallow clone nobody can tell what holds a commit.
  await fetchInto(ctx, opened.repo, { remote }, specs, undefined, opened.shallow ? ['--unshallow'] : [])
  if (await isPublished(ctx, opened, asked)) return
  throw new Failed({ code: 'ref-not-published', repo: opened.repo.path, ref, remote })
}

async function isPublished(ctx: StepContext, { repo }: Opened, { sha, remote }: Asked): Promise<boolean> {
  const published = ['heads', 'tags'].map(kind => `--glob=${privateRefs(remote)}/${kind}/*`)
  const beyond = await readGit(ctx, repo, ['rev-list', '--max-count=1', sha, '--not', ...published, '--'])
  return beyond.code === 0 && beyond.stdout.trim() === ''
}

/**
 * With `pull: none` the local branch may be elsewhere than the ref that was judged, so that its own commit has to count. One
 * that is checked out already brings nothing new.
 */
export async function requireStay<R extends { sha: string; from: string; object: string }>(
  ctx: StepContext,
  opened: Opened,
  { ref, remote, unpublished }: { ref: string; remote: string; unpublished?: boolean },
  { resolved, sha }: { resolved: R; sha: string },
): Promise<R> {
  if (sha === resolved.sha) return resolved
  if (!unpublished && sha !== opened.head.sha) await requirePublished(ctx, opened, { ref, sha, remote })
  return { ...resolved, sha, from: sha, object: sha }
}

type Found = { kind: 'branch' | 'tag' | 'commit'; name: string; sha: string }

/** A commit by name counts as the refs that name it, so that an old one of an allowed branch is not among them. */
export async function requireAllowed(
  ctx: StepContext,
  { repo }: Opened,
  { found, ref, remote, refs }: { found: Found; ref: string; remote: string; refs?: Allowed['refs'] },
): Promise<void> {
  if (refs === undefined) return
  const names = found.kind === 'commit' ? await namesOf(ctx, repo, found.sha, remote) : [fullName(found)]
  if (names.some(name => isAmong(name, refs))) return
  const resolved = found.kind === 'commit' ? `the commit ${found.sha.slice(0, 12)}` : fullName(found)
  throw new Failed({ code: 'ref-not-allowed', repo: repo.path, ref, resolved, refs: [...refs] })
}

const fullName = ({ kind, name }: Found) => `${kind === 'branch' ? 'heads' : 'tags'}/${name}`

async function namesOf(ctx: StepContext, repo: Repo, sha: string, remote: string): Promise<string[]> {
  const base = privateRefs(remote)
  const text = await ask(ctx, repo, ['for-each-ref', `--points-at=${sha}`, '--format=%(refname)', base])
  return text.split(/\r?\n/).map(name => name.slice(base.length + 1))
}

/** Pure. `*` stays within a part of the name, `**` does not. */
export const isAmong = (name: string, globs: readonly string[]) =>
  globs.some(glob => patternOf(glob.replace(/^refs\//, '')).test(name))

const patternOf = (glob: string) =>
  new RegExp(
    `^${glob
      .split(/(\*\*|\*|\?)/)
      .map(part => WILD[part] ?? literal(part))
      .join('')}$`,
  )

const WILD: Readonly<Record<string, string>> = { '**': '.*', '*': '[^/]*', '?': '[^/]' }

const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
