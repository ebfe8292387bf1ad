/** Submodules follow the commit that is checked out, forward and back; git's checkout leaves them where they were. */
import { Failed } from '../../failure.ts'
import { commandFailed } from '../command/run-command.ts'
import type { StepContext } from '../step.ts'
import { ask, change, git, gitArgv, type Repo, readGit, unquoted, withoutSshPrompts } from './git.ts'
import { treeDiff } from './tree-diff.ts'

export const SUBMODULE_COMMANDS = [
  ['submodule', 'sync', '--recursive'],
  ['submodule', 'update', '--init', '--recursive'],
]

/** `has`: whether HEAD has submodules, where that is known. */
export async function followSubmodules(ctx: StepContext, repo: Repo, has?: boolean): Promise<number> {
  if (!(has ?? (await hasModules(ctx, repo)))) return 0
  const ssh = await withoutSshPrompts(ctx, repo)
  for (const args of SUBMODULE_COMMANDS) {
    const done = await git(ctx, repo, [...ssh, ...args])
    if (done.code !== 0) throw commandFailed(gitArgv(repo, args), done)
  }
  const listed = await ask(ctx, repo, ['submodule', 'status', '--recursive'])
  return listed.split(/\r?\n/).filter(line => line !== '').length
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
  for (const path of removed) {
    try {
      await change(ctx, repo, ['submodule', 'deinit', '--', `:(top,literal)${path}`])
    } catch (error) {
      if (!(error instanceof Failed) || error.failure.code !== 'command-failed') throw error
      throw new Failed({ code: 'files-in-the-way', repo: repo.path, files: [path] })
    }
  }
}

function removedSubmodules(rawDiff: string): string[] {
  return rawDiff.split(/\r?\n/).flatMap(line => {
    const [modes = '', name] = line.split('\t')
    return /^:160000 (?!160000)/.test(modes) && name !== undefined ? [unquoted(name)] : []
  })
}
