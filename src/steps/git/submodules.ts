/** Submodules follow the commit that is checked out, forward and back; git's checkout leaves them where they were. */
import { Failed } from '../../failure.ts'
import { commandFailed } from '../command/run-command.ts'
import type { StepContext } from '../contract/step.ts'
import { ask, change, git, gitArgv, type Repo, readGit, unquoted, withoutSshPrompts } from './git.ts'
import { ownSubmodules, requireOwnRepositories } from './own-submodules.ts'
import { treeDiff } from './tree-diff.ts'

export const SUBMODULE_COMMANDS = [
  ['submodule', 'sync', '--recursive'],
  ['submodule', 'update', '--init', '--recursive'],
]

/** `has`: whether HEAD has submodules, where that is known. */
export async function followSubmodules(ctx: StepContext, repo: Repo, has?: boolean): Promise<number> {
  if (!(has ?? (await hasModules(ctx, repo)))) return 0
  await requireOwnRepositories(ctx, repo)
  await requireOwn(ctx, repo)
  const failed = await runAll(ctx, repo, SUBMODULE_COMMANDS)
  if (failed !== null) {
    // One whose own .gitmodules git cannot read stops them all, until it is at the commit that it belongs to.
    const atop = SUBMODULE_COMMANDS.map(args => args.filter(arg => arg !== '--recursive'))
    if ((await runAll(ctx, repo, atop)) !== null) throw failed
    const again = await runAll(ctx, repo, SUBMODULE_COMMANDS)
    if (again !== null) throw again
  }
  const listed = await ask(ctx, repo, ['submodule', 'status', '--recursive'])
  return listed.split(/\r?\n/).filter(line => line !== '').length
}

/** All that are there, and those in them. */
async function requireOwn(ctx: StepContext, repo: Repo): Promise<void> {
  const listed = await ask(ctx, repo, ['ls-files', '--stage'])
  const paths = listed.split(/\r?\n/).flatMap(line => {
    const [info = '', name = ''] = line.split('\t')
    return info.startsWith('160000 ') ? [unquoted(name)] : []
  })
  for (const { module } of await ownSubmodules(ctx, repo, paths)) await requireOwn(ctx, module)
}

async function runAll(ctx: StepContext, repo: Repo, commands: readonly string[][]): Promise<Failed | null> {
  const ssh = await withoutSshPrompts(ctx, repo)
  for (const args of commands) {
    const done = await git(ctx, repo, [...ssh, ...args])
    if (done.code !== 0) return commandFailed(gitArgv(repo, args), done)
  }
  return null
}

async function hasModules(ctx: StepContext, repo: Repo): Promise<boolean> {
  const entry = await readGit(ctx, repo, ['ls-tree', '--name-only', 'HEAD', '.gitmodules'])
  return entry.code === 0 && entry.stdout.trim() !== ''
}

/**
 * A submodule that the next commit lacks would stay behind as an untracked folder and make the checkout dirty.
 * Without force: one with changes of its own stops the step instead of losing them.
 */
export async function leaveSubmodules(ctx: StepContext, repo: Repo, from: string, to: string): Promise<void> {
  const { raw, modulesWork } = await treeDiff(ctx, repo, from, to)
  const removed = removedSubmodules(raw)
  if (!modulesWork && removed.length > 0) {
    ctx.say(`git cannot read .gitmodules, so these folders stay: ${removed.slice(0, 10).join(', ')}`)
    return
  }
  await ownSubmodules(ctx, repo, removed)
  for (const path of removed) {
    const where = `:(top,literal)${path}`
    const left = await git(ctx, repo, ['submodule', 'deinit', '--', where])
    if (left.code === 0) continue
    if (!(await isUntouched(ctx, repo, path)))
      throw new Failed({ code: 'files-in-the-way', repo: repo.path, files: [path] })
    await change(ctx, repo, ['submodule', 'deinit', '--force', '--', where])
  }
}

/** Without `git status`, which does not work where the submodule's own .gitmodules is one that git refuses to read. */
async function isUntouched(ctx: StepContext, repo: Repo, path: string): Promise<boolean> {
  const at: Repo = { ...repo, path: `${repo.path}/${path}` }
  const head = await readGit(ctx, repo, ['ls-tree', 'HEAD', '--', `:(top,literal)${path}`])
  const own = await readGit(ctx, at, ['rev-parse', 'HEAD'])
  const staged = await readGit(ctx, at, ['diff-index', '--cached', '--quiet', 'HEAD', '--'])
  const edited = await readGit(ctx, at, [
    'ls-files',
    '--modified',
    '--deleted',
    '--others',
    '--exclude-standard',
  ])
  const isThere = own.code === 0 && head.stdout.includes(`commit ${own.stdout.trim()}\t`)
  return isThere && staged.code === 0 && edited.code === 0 && edited.stdout === ''
}

function removedSubmodules(rawDiff: string): string[] {
  return rawDiff.split(/\r?\n/).flatMap(line => {
    const [modes = '', name] = line.split('\t')
    return /^:160000 (?!160000)/.test(modes) && name !== undefined ? [unquoted(name)] : []
  })
}
