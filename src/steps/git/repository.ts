/** Finding out what a checkout is before anything is done to it. */
import { Failed } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import type { Done, StepContext } from '../contract/step.ts'
import { gitArgv, type Repo, readGit, repoAt } from './git.ts'
import { checkoutOwner } from './owner.ts'

/** `branch` is null when HEAD is detached. */
export type Head = { sha: string; branch: string | null }
export type Opened = { repo: Repo; head: Head; shallow: boolean }

const LOOK = [
  'rev-parse',
  ...['--git-path', 'HEAD', '--git-path', 'index'],
  ...['--git-path', 'config', '--git-path', 'objects'],
  '--is-shallow-repository',
  'HEAD',
  ...['--symbolic-full-name', 'HEAD'],
]

export async function openRepository(ctx: StepContext, path: string): Promise<Opened> {
  let repo = repoAt(path)
  let done = await readGit(ctx, repo, LOOK)
  if (ctx.hasShell && !isPlain(done)) {
    const owner = await checkoutOwner(ctx, path)
    if (owner !== null) {
      repo = { ...repo, owner }
      done = await readGit(ctx, repo, LOOK)
    }
  }
  if (relocated(done)) throw notARepository(path, 'its HEAD, index and objects are in different places')
  return opened(repo, done)
}

/** All of it in `.git` of that folder: whoever owns that owns the rest. */
const isPlain = (done: Done): boolean =>
  done.code === 0 && done.stdout.startsWith('.git/HEAD\n') && !relocated(done)

export async function headOf(ctx: StepContext, repo: Repo): Promise<Head> {
  return opened(repo, await readGit(ctx, repo, LOOK)).head
}

function opened(repo: Repo, done: Done): Opened {
  const [, , , , shallow, sha = '', name = ''] = done.stdout.split(/\r?\n/)
  if (done.code !== 0) {
    const detail = /unknown revision|ambiguous argument/.test(done.stderr)
      ? 'it has no commit yet'
      : (lines(done.stderr)[0] ?? 'git did not say why').replace(/^fatal: /, '')
    throw notARepository(repo.path, detail)
  }
  if (!/^[0-9a-f]{40,64}$/.test(sha)) {
    const problem = 'HEAD is no commit'
    throw new Failed({ code: 'output-unreadable', argv: gitArgv(repo, LOOK), problem })
  }
  const branch = name.startsWith('refs/heads/') ? name.slice('refs/heads/'.length) : null
  return { repo, head: { sha, branch }, shallow: shallow === 'true' }
}

/** Whether git would read or write beside the repository: an index, objects or a shared part that are elsewhere. */
function relocated(done: Done): boolean {
  const [head = '', index = '', config = '', objects = ''] = done.stdout.split(/\r?\n/).map(folderOf)
  if (done.stdout === '') return false
  const linked = /[\\/]worktrees[\\/][^\\/]+$/.test(head)
  return index !== head || objects !== config || (config !== head && !linked)
}

const folderOf = (path: string) => path.replace(/[\\/]?[^\\/]*$/, '')

const notARepository = (path: string, detail: string) =>
  new Failed({ code: 'not-a-repository', path, detail })
