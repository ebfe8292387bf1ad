/** What differs between HEAD and the working tree, hidden differences included. */
import type { StepContext } from '../contract/step.ts'
import { withBorrowed } from './borrowed.ts'
import { ask, type Repo, readGit, unquoted } from './git.ts'
import { ownSubmodules } from './own-submodules.ts'

/** `code` is git's two letters (`.M`, `A.`), `??` for untracked, `hidden` for what git was told not to look at. */
export type LocalChange = { code: string; path: string }

export async function localChanges(
  ctx: StepContext,
  repo: Repo,
  ignore: readonly string[] = [],
): Promise<LocalChange[]> {
  const paths = pathspecs(ignore)
  const [status, listed] = await Promise.all([
    ask(ctx, repo, [...STATUS, ...paths]),
    ask(ctx, repo, ['ls-files', '-v', '--stage', ...paths]),
  ])
  const [seen, files] = [parseStatus(status), parseFiles(listed)]
  const own = [...seen, ...(await hiddenChanges(ctx, repo, files))]
  const modules = files.flatMap(({ mode, path }) => (mode === MODULE ? [path] : []))
  const dirty: LocalChange[] = []
  for (const { at, module } of await ownSubmodules(ctx, repo, modules)) {
    const isSeen = own.some(({ path }) => path === at)
    if (!isSeen && (await changesIn(ctx, module)).length > 0) dirty.push({ code: '.M', path: at })
  }
  return [...own, ...dirty]
}

/** In a check with a repository of its own, too: each has a configuration. */
const changesIn = (ctx: StepContext, { gitDir, ...repo }: Repo): Promise<LocalChange[]> =>
  gitDir === undefined
    ? localChanges(ctx, repo)
    : withBorrowed(ctx, { repo }, borrowed => localChanges(ctx, borrowed.repo))

/** Changes as one short text that is equal when they are; new files that no commit knows do not count. */
export function trackedDigest(entries: readonly LocalChange[]): string {
  const tracked = entries.filter(entry => entry.code !== '??').map(entry => `${entry.code} ${entry.path}`)
  return process
    .getBuiltinModule('node:crypto')
    .createHash('sha256')
    .update(tracked.sort().join('\n'))
    .digest('hex')
}

export const STATUS = [
  'status',
  '--porcelain=v2',
  '--untracked-files=normal',
  // Git would enter them without asking whose they are.
  '--ignore-submodules=dirty',
  '--no-renames',
]

export const pathspecs = (ignore: readonly string[]) =>
  ignore.length === 0 ? [] : ['--', ...ignore.map(glob => `:(top,exclude,glob)${glob}`)]

function parseStatus(text: string): LocalChange[] {
  return text.split(/\r?\n/).flatMap(line => {
    const fields = line.split(' ')
    switch (fields[0]) {
      case '1':
        return [{ code: fields[1] ?? '', path: unquoted(fields.slice(8).join(' ')) }]
      case '2':
        return [{ code: fields[1] ?? '', path: unquoted(fields.slice(9).join(' ').split('\t')[0] ?? '') }]
      case 'u':
        return [{ code: fields[1] ?? '', path: unquoted(fields.slice(10).join(' ')) }]
      case '?':
        return [{ code: '??', path: unquoted(fields.slice(1).join(' ')) }]
      default:
        return []
    }
  })
}

/**
 * Files marked assume-unchanged or skip-worktree (outside a sparse checkout, where that is git's own business)
 * that were edited all the same: status is silent about them and a checkout may overwrite them.
 */
async function hiddenChanges(ctx: StepContext, repo: Repo, files: readonly Listed[]): Promise<LocalChange[]> {
  const marked = files.filter(({ tag }) => /[a-zS]/.test(tag))
  if (marked.length === 0) return []
  const sparse = await readGit(ctx, repo, ['config', '--type=bool', '--get', 'core.sparseCheckout'])
  const suspects = sparse.stdout.trim() === 'true' ? marked.filter(mark => mark.tag !== 'S') : marked
  const edited: LocalChange[] = []
  for (let at = 0; at < suspects.length; at += BATCH) {
    const batch = suspects.slice(at, at + BATCH).map(mark => mark.path)
    edited.push(...(await editedAmong(ctx, repo, batch)).map(path => ({ code: 'hidden', path })))
  }
  return edited
}

const BATCH = 200

const MODULE = '160000'

/** `tag`: lower case is assume-unchanged, S is skip-worktree. */
type Listed = { tag: string; mode: string; path: string }

const parseFiles = (text: string): Listed[] =>
  text.split(/\r?\n/).flatMap(line => {
    const [, tag = '', mode = '', name] = /^(\S) (\d+) [0-9a-f]+ \d\t(.*)$/.exec(line) ?? []
    return name === undefined ? [] : [{ tag, mode, path: unquoted(name) }]
  })

async function editedAmong(ctx: StepContext, repo: Repo, paths: readonly string[]): Promise<string[]> {
  const literal = paths.map(path => `:(top,literal)${path}`)
  const staged = await ask(ctx, repo, ['ls-files', '--stage', '--', ...literal])
  const recorded = new Map(
    staged.split(/\r?\n/).flatMap(line => {
      const [info = '', name = ''] = line.split('\t')
      return name === '' ? [] : [[unquoted(name), info.split(' ')[1] ?? ''] as const]
    }),
  )
  const hashed = await readGit(ctx, repo, ['hash-object', '--', ...paths])
  // One that cannot be read (deleted, turned into a folder) is a change; which one is found out singly.
  if (hashed.code !== 0) {
    if (paths.length === 1) return [...paths]
    const each = []
    for (const path of paths) each.push(...(await editedAmong(ctx, repo, [path])))
    return each
  }
  const now = hashed.stdout.split(/\r?\n/)
  return paths.filter((path, index) => recorded.get(path) !== now[index])
}

const SHOWN = 50

export const dirtyTree = (repo: string, entries: readonly LocalChange[]) =>
  ({ code: 'dirty-tree', repo, entries: shownChanges(entries), total: entries.length }) as const

export const shownChanges = (entries: readonly LocalChange[]): string[] =>
  entries.slice(0, SHOWN).map(entry => `${entry.code} ${entry.path}`)
