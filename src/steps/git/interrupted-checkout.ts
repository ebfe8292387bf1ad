/**
 * A checkout that was cut off leaves HEAD and index at the old commit and some files of the new one; between its last
 * two steps HEAD alone is old. What is in files or index exactly as the new commit has it was written by it, and a file
 * that is about to be written is missing for a moment: these are put back, and nothing else is, so that nobody's edit is
 * lost.
 */
import { Failed, type FailureCode } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import { ask, change, type Repo, readGit, unquoted } from './git.ts'
import { treeDiff } from './tree-diff.ts'

/** Per working tree, as its name says to git. */
const GOAL = 'refs/worktree/hostops/goal'
const BATCH = 200

/** Notes the commit for as long as the tree is under way to it. */
export async function towards(
  ctx: StepContext,
  repo: Repo,
  sha: string,
  move: () => Promise<void>,
): Promise<void> {
  await change(ctx, repo, ['update-ref', GOAL, sha])
  try {
    await move()
  } catch (error) {
    // Refused means that git has not touched a file; after any other end that is not certain.
    if (error instanceof Failed && REFUSALS.has(error.failure.code)) await forget(ctx, repo)
    throw error
  }
  await forget(ctx, repo)
}

const REFUSALS: ReadonlySet<FailureCode> = new Set(['files-in-the-way', 'dirty-tree', 'index-locked'])

/** True when a checkout was cut off here. */
export async function settleInterrupted(ctx: StepContext, repo: Repo, head: string): Promise<boolean> {
  const goal = await readGit(ctx, repo, ['rev-parse', '--verify', '--quiet', GOAL])
  if (goal.code !== 0) return false
  const to = goal.stdout.trim()
  if (to !== head) {
    const { raw } = await treeDiff(ctx, repo, head, to)
    await settleModules(ctx, repo, raw)
    const planned = changedFiles(raw)
    const paths = [...planned.keys()]
    for (let at = 0; at < paths.length; at += BATCH) {
      await settleSome(ctx, repo, planned, paths.slice(at, at + BATCH))
    }
  }
  await forget(ctx, repo)
  return true
}

const forget = (ctx: StepContext, repo: Repo) => change(ctx, repo, ['update-ref', '-d', GOAL])

/** In the index alone: the commands for submodules put their folders back. */
async function settleModules(ctx: StepContext, repo: Repo, raw: string): Promise<void> {
  const planned = changedModules(raw)
  if (planned.size === 0) return
  const args = ['diff-index', '--cached', '--raw', '--no-renames', '--no-abbrev', '--ignore-submodules=none']
  const staged = changedModules(
    await ask(ctx, repo, [...args, 'HEAD', '--', ...literal([...planned.keys()])]),
  )
  const ours = [...staged].flatMap(([path, change]) => (planned.get(path) === change ? [path] : []))
  if (ours.length > 0)
    await change(ctx, repo, ['restore', '--source=HEAD', '--staged', '--', ...literal(ours)])
}

/** By path: modes and names, before and after. */
const changedModules = (raw: string): Map<string, string> =>
  new Map(
    raw.split(/\r?\n/).flatMap(line => {
      const [, entries = '', name] = /^:([0-9a-f ]*\b160000 [0-9a-f ]+) [A-Z]\t(.+)$/.exec(line) ?? []
      return name === undefined ? [] : [[unquoted(name), entries] as const]
    }),
  )

async function settleSome(
  ctx: StepContext,
  repo: Repo,
  planned: ReadonlyMap<string, string | null>,
  paths: readonly string[],
): Promise<void> {
  const differing = await ask(ctx, repo, ['ls-files', '-t', '-m', '-d', '-o', '--', ...literal(paths)])
  const { gone, there, unknown } = parseDiffering(differing)
  const written = await thoseThatAre(ctx, repo, [...there, ...unknown], planned)
  const added = written.filter(path => unknown.includes(path))
  if (added.length > 0) await change(ctx, repo, ['update-index', '--add', '--', ...added])
  const staged = await stagedBy(ctx, repo, planned, paths)
  const asStaged = staged.filter(path => !there.includes(path) && !unknown.includes(path))
  const ours = [...new Set([...gone, ...written, ...asStaged])]
  if (ours.length === 0) return
  ctx.say(`putting back ${ours.length} files of a checkout that was cut off`)
  await change(ctx, repo, ['restore', '--source=HEAD', '--staged', '--worktree', '--', ...literal(ours)])
}

/** Those that the index has as the new commit has them. */
async function stagedBy(
  ctx: StepContext,
  repo: Repo,
  planned: ReadonlyMap<string, string | null>,
  paths: readonly string[],
): Promise<string[]> {
  const args = ['diff-index', '--cached', '--raw', '--no-renames', '--no-abbrev', 'HEAD']
  const staged = changedFiles(await ask(ctx, repo, [...args, '--', ...literal(paths)]))
  return [...staged].flatMap(([path, now]) => (now === planned.get(path) ? [path] : []))
}

async function thoseThatAre(
  ctx: StepContext,
  repo: Repo,
  paths: readonly string[],
  planned: ReadonlyMap<string, string | null>,
): Promise<string[]> {
  if (paths.length === 0) return []
  const hashed = await readGit(ctx, repo, ['hash-object', '--', ...paths])
  if (hashed.code !== 0) return []
  const now = hashed.stdout.split(/\r?\n/)
  return paths.filter((path, at) => planned.get(path) === now[at])
}

/** Regular files: their content in the new commit, null when it has none there. */
function changedFiles(raw: string): Map<string, string | null> {
  const files = new Map<string, string | null>()
  for (const line of raw.split(/\r?\n/)) {
    const match = /^:(\d{6}) (\d{6}) [0-9a-f]+ ([0-9a-f]+) [A-Z]\t(.+)$/.exec(line)
    if (match === null) continue
    const [, before, after, sha, name] = match
    if (!/^(100644|100755|000000)$/.test(before!) || !/^(100644|100755|000000)$/.test(after!)) continue
    files.set(unquoted(name!), after === '000000' ? null : sha!)
  }
  return files
}

/** R is gone, C is changed (also said of what is gone), ? is not in the index. */
function parseDiffering(text: string) {
  const tagged = text.split(/\r?\n/).map(line => ({ tag: line[0], path: unquoted(line.slice(2)) }))
  const of = (tag: string) => tagged.filter(each => each.tag === tag).map(each => each.path)
  const gone = of('R')
  return { gone, there: [...new Set(of('C'))].filter(path => !gone.includes(path)), unknown: of('?') }
}

const literal = (paths: readonly string[]) => paths.map(path => `:(top,literal)${path}`)
