/**
 * Moves HEAD, and a branch with it, in steps of which each either happens or leaves everything as it was: the tree
 * goes to the commit detached, the branch follows by compare and swap, HEAD is put on the branch. Whatever would
 * lose local work is refused by git itself; nothing here is ever forced.
 */
import { Failed } from '../../failure.ts'
import { commandFailed } from '../command/run-command.ts'
import { lines } from '../contract/plain-text.ts'
import type { StepContext } from '../contract/step.ts'
import { ask, change, git, gitArgv, type Repo, readGit } from './git.ts'
import { indexLock } from './index-lock.ts'
import { branchRef } from './ref.ts'
import type { Head } from './repository.ts'
import { leaveSubmodules } from './submodules.ts'

export const CHECKOUT = ['checkout', '--no-overwrite-ignore', '--no-progress', '--detach']
/** Git takes a plain commit name for a branch where one has that name. */
export const exactly = (sha: string) => `${sha}^0`
export const ATTACH = ['symbolic-ref', '-m', 'hostops: back on the branch', 'HEAD']

/** The working tree at `sha`, HEAD on no branch. */
export async function detachAt(ctx: StepContext, repo: Repo, from: Head, sha: string): Promise<void> {
  if (from.sha === sha && from.branch === null) return
  if (from.sha !== sha) await leaveSubmodules(ctx, repo, from.sha, sha)
  const argv = [...CHECKOUT, exactly(sha)]
  const done = await git(ctx, repo, argv)
  if (done.code === 0) return
  throw (
    (await indexLock(ctx, repo.path, done)) ??
    inTheWay(repo, done.stderr) ??
    commandFailed(gitArgv(repo, argv), done)
  )
}

export async function attachTo(ctx: StepContext, repo: Repo, branch: string): Promise<void> {
  await change(ctx, repo, [...ATTACH, branchRef(branch)])
}

/** Null when there is no such branch. */
export async function branchTip(ctx: StepContext, repo: Repo, branch: string): Promise<string | null> {
  return (await branchState(ctx, repo, branch))?.tip ?? null
}

/** Compare and swap; `mark` in the reflog tells later who did it. `null` is "no such branch". */
export async function moveBranch(
  ctx: StepContext,
  repo: Repo,
  branch: string,
  from: string | null,
  to: string,
  mark: string,
): Promise<void> {
  if (from === to) return
  const expected = from ?? '0'.repeat(to.length)
  await change(ctx, repo, ['update-ref', '--create-reflog', '-m', mark, branchRef(branch), to, expected])
}

/**
 * The branch as it was recorded (`tip`). Only what this step did is taken back: when somebody has moved the branch since,
 * it is left alone and said so. Doing it twice does nothing.
 */
export async function moveBranchBack(
  ctx: StepContext,
  repo: Repo,
  { name, tip, now }: { name: string; tip: string | null; now: string | null },
  mark: string,
): Promise<void> {
  if (now === tip) return
  // With log.showSignature git would say first what gpg makes of the commit.
  const entry = ['reflog', '-1', '--no-show-signature', '--format=%gs', branchRef(name), '--']
  const latest = await readGit(ctx, repo, entry)
  if (now === null || latest.code !== 0 || latest.stdout.trim() !== mark) {
    const problem = `branch ${name} was moved by somebody else in the meantime and was left there`
    throw new Failed({ code: 'not-restored', step: ctx.stepId, problem })
  }
  if (tip === null) await change(ctx, repo, ['update-ref', '-d', branchRef(name), now])
  else await moveBranch(ctx, repo, name, now, tip, `${mark}, taken back`)
}

/** As `branchTip`; a branch that another working tree has checked out must not move under it. */
export async function freeBranchTip(
  ctx: StepContext,
  repo: Repo,
  branch: string,
  head: Head,
): Promise<string | null> {
  const state = await branchState(ctx, repo, branch)
  if (state === null || state.worktree === '' || head.branch === branch) return state?.tip ?? null
  const problem = `branch ${branch} is checked out in ${state.worktree} as well`
  throw new Failed({ code: 'step-input-invalid', step: ctx.stepId, problems: [problem] })
}

/** What was asked of git, as observed afterwards. */
export function requireHead(ctx: StepContext, repo: Repo, head: Head, expected: Head): void {
  const isThere = head.sha === expected.sha
  const isOnBranch = head.branch === expected.branch
  ctx.saw({ what: 'git-head', target: repo.path, saw: head.sha, ok: isThere })
  ctx.saw({ what: 'git-branch', target: repo.path, saw: head.branch ?? 'detached', ok: isOnBranch })
  if (isThere && isOnBranch) return
  const [wanted, actual] = isThere ? [named(expected), named(head)] : [expected.sha, head.sha]
  throw new Failed({ code: 'head-differs', repo: repo.path, expected: wanted, actual })
}

const named = (head: Head) => (head.branch === null ? 'detached' : `on branch ${head.branch}`)

async function branchState(ctx: StepContext, repo: Repo, branch: string) {
  const format = '--format=%(refname) %(objectname) %(worktreepath)'
  const text = await ask(ctx, repo, ['for-each-ref', format, branchRef(branch)])
  const line = text.split(/\r?\n/).find(each => each.startsWith(`${branchRef(branch)} `))
  if (line === undefined) return null
  const [, tip = '', ...worktree] = line.split(' ')
  return { tip, worktree: worktree.join(' ') }
}

/** git lists such files one to a line behind a tabulator. */
function inTheWay(repo: Repo, stderr: string): Failed | null {
  const files = lines(stderr).flatMap(line => (line.startsWith('\t') ? [line.trim()] : []))
  if (files.length === 0) return null
  return stderr.includes('Your local changes to the following files')
    ? new Failed({ code: 'dirty-tree', repo: repo.path, entries: files, total: files.length })
    : new Failed({ code: 'files-in-the-way', repo: repo.path, files })
}
