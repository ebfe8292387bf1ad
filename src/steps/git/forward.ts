/** Whether a branch may be moved to what was fetched: only forward, never over anybody's commits. */
import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import { fetchInto, privateRefs } from './fetch.ts'
import { ask, readGit } from './git.ts'
import type { Opened } from './repository.ts'

export type Step = { branch: string; local: string; target: string; remote: string }

/** Throws unless `target` has `local` behind it. */
export async function requireForward(ctx: StepContext, opened: Opened, step: Step): Promise<void> {
  const { branch, local, target } = step
  if (local === target || (await isAncestor(ctx, opened, local, target))) return
  // In a shallow clone the commits between the two may just not be there.
  if (opened.shallow && (await deepened(ctx, opened, step))) {
    if (await isAncestor(ctx, opened, local, target)) return
  }
  if (await wasPublished(ctx, opened, step)) {
    const repo = opened.repo.path
    throw new Failed({ code: 'history-rewritten', repo, branch, local, remote: target })
  }
  const counts = await ask(ctx, opened.repo, [
    'rev-list',
    '--left-right',
    '--count',
    `${local}...${target}`,
    '--',
  ])
  const [ahead = 0, behind = 0] = counts.split(/\s+/).map(Number)
  throw new Failed({ code: 'branch-diverged', repo: opened.repo.path, branch, ahead, behind })
}

async function deepened(ctx: StepContext, opened: Opened, step: Step): Promise<boolean> {
  ctx.say(`the shallow clone does not tell whether ${step.branch} only went forward: fetching its history`)
  const into = `+refs/heads/${step.branch}:${privateRefs(step.remote)}/heads/${step.branch}`
  try {
    await fetchInto(ctx, opened.repo, { remote: step.remote }, [into], undefined, ['--unshallow'])
    return true
  } catch (error) {
    if (error instanceof Failed && error.failure.code === 'fetch-failed') return false
    throw error
  }
}

async function isAncestor(ctx: StepContext, opened: Opened, older: string, newer: string): Promise<boolean> {
  return (await readGit(ctx, opened.repo, ['merge-base', '--is-ancestor', older, newer])).code === 0
}

/** What upstream once had and has no more was rewritten there; anything else is work of this checkout's own. */
async function wasPublished(ctx: StepContext, opened: Opened, step: Step): Promise<boolean> {
  for (const ref of [
    `${privateRefs(step.remote)}/heads/${step.branch}`,
    `refs/remotes/${step.remote}/${step.branch}`,
  ]) {
    if (await isAncestor(ctx, opened, step.local, ref)) return true
    const fork = await readGit(ctx, opened.repo, ['merge-base', '--fork-point', ref, step.local])
    if (fork.code === 0 && fork.stdout.trim() === step.local) return true
  }
  return false
}
