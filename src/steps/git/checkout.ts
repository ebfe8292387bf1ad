import { Failed } from '../../failure.ts'
import { isFullCommitName } from '../contract/ref-name.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { PlannedArg, PlannedCommand, StepContext, StepKind, StepResult } from '../contract/step.ts'
import { checkFindings } from './checkout-check.ts'
import { type CheckoutWith, checkoutSchema } from './checkout-with.ts'
import { requireForward } from './forward.ts'
import { ask, gitArgv, type Repo, readGit, repoAt } from './git.ts'
import { settleInterrupted, towards } from './interrupted-checkout.ts'
import { lfsPointers } from './lfs.ts'
import { requireSafeModules } from './modules.ts'
import {
  ATTACH,
  attachTo,
  branchTip,
  CHECKOUT,
  detachAt,
  exactly,
  freeBranchTip,
  moveBranch,
  moveBranchBack,
  requireHead,
} from './move.ts'
import { requireStay } from './published.ts'
import { branchRef, type Resolved, resolveRef, wantedRef } from './ref.ts'
import { type Head, headOf, type Opened, openRepository } from './repository.ts'
import { requireSignature } from './signature.ts'
import { dirtyTree, localChanges, trackedDigest } from './status.ts'
import { followSubmodules, SUBMODULE_COMMANDS } from './submodules.ts'

/** Before the first change. `target` is the local branch that the step may move. */
type Snapshot = {
  sha: string
  branch: string | null
  target: { name: string; tip: string | null } | null
  changes: string
  mark: string
}

export const gitCheckout: StepKind<CheckoutWith, Snapshot> = {
  uses: 'git.checkout',
  summary: 'Checks a branch, tag or commit out: a branch only ever forward, a tag or commit detached.',
  schema: checkoutSchema,
  outputs: {
    sha: 'string',
    branch: 'string',
    beforeSha: 'string',
    beforeBranch: 'string',
    commits: 'int',
    submodules: 'int',
    lfsPointers: 'list',
  },
  timeoutMs: 5 * 60_000,
  plan: {
    effect: () => 'write',
    repeatable: () => true,
    about: input => ({ repoPath: input.repo, requestedRef: input.ref }),
    locks: input => [checkoutLock(input)],
    touches: input => [checkoutLock(input)],
    commands: input =>
      planned(
        input,
        isFullCommitName(input.ref) ? input.ref : { unknown: `the commit of ${input.ref} after the fetch` },
      ),
    undoCommands: input => planned(input, { unknown: 'the commit before the run' }),
  },
  act: {
    async snapshot(ctx, input) {
      const { repo, head } = await openRepository(ctx, canonicalPath(input.repo))
      const wanted = wantedRef(input.ref)
      const mayBeBranch = wanted.kinds.includes('branch') && !isFullCommitName(input.ref)
      const [tip, changes] = await Promise.all([
        mayBeBranch ? branchTip(ctx, repo, wanted.name) : null,
        localChanges(ctx, repo),
      ])
      const target = mayBeBranch ? { name: wanted.name, tip } : null
      return { ...head, target, changes: trackedDigest(changes), mark: markOf(ctx) }
    },
    async run(ctx, input, snapshot) {
      const opened = await openRepository(ctx, canonicalPath(input.repo))
      const resolved = await resolveRef(ctx, opened, input.ref, input.remote, input)
      const goal = await goalOf(ctx, opened, input, resolved)
      const chosen = await requireStay(ctx, opened, input, { resolved, sha: goal.sha })
      if (input.verify === 'signature') await requireSignature(ctx, opened, chosen)
      const hasModules = await requireSafeModules(ctx, opened.repo, goal.sha)
      requireGuarded(ctx, opened.repo, goal)
      await moveTo(ctx, opened, goal, snapshot?.mark ?? markOf(ctx))
      const after = await headOf(ctx, opened.repo)
      requireHead(ctx, opened.repo, after, goal)
      // A repeated attempt starts from where the first one got to; the host was where the snapshot says.
      const before = snapshot ?? opened.head
      return resultOf(ctx, opened.repo, { before, after, hasModules: input.submodules && hasModules })
    },
  },
  undo: {
    async restore(ctx, input, snapshot) {
      const { repo, head } = await openRepository(ctx, canonicalPath(input.repo))
      const { target } = snapshot
      const [half, tip] = await Promise.all([
        settleInterrupted(ctx, repo, head.sha),
        target && branchTip(ctx, repo, target.name),
      ])
      const moved =
        half ||
        head.sha !== snapshot.sha ||
        head.branch !== snapshot.branch ||
        (target !== null && target.tip !== tip)
      if (moved) {
        await towards(ctx, repo, snapshot.sha, () => detachAt(ctx, repo, head, snapshot.sha))
        if (target) await moveBranchBack(ctx, repo, { ...target, now: tip }, snapshot.mark)
        await reattach(ctx, repo, snapshot)
      }
      const [after] = await Promise.all([
        headOf(ctx, repo),
        input.submodules ? followSubmodules(ctx, repo) : null,
      ])
      return { changed: moved, facts: { afterSha: after.sha, afterBranch: after.branch } }
    },
    async rehearse(ctx, input, snapshot) {
      const { repo } = await openRepository(ctx, canonicalPath(input.repo))
      const done = await readGit(ctx, repo, ['cat-file', '-e', `${snapshot.sha}^{commit}`])
      const where = `${snapshot.sha.slice(0, 12)}${snapshot.branch === null ? '' : ` on ${snapshot.branch}`}`
      if (done.code === 0) return [{ text: `back to ${where}`, seen: null }]
      const failure = { code: 'rollback-set-missing' as const, what: [`commit ${snapshot.sha}`] }
      return [{ text: `missing: ${where}`, seen: null, failure }]
    },
    async verify(ctx, input, snapshot) {
      const { repo, head } = await openRepository(ctx, canonicalPath(input.repo))
      if (snapshot === null) return { changed: false }
      requireHead(ctx, repo, head, snapshot)
      const entries = await localChanges(ctx, repo)
      const ok = trackedDigest(entries) === snapshot.changes
      const saw = ok ? 'as before' : `${entries.length} local changes`
      ctx.saw({ what: 'files', target: repo.path, saw, ok })
      if (!ok) throw new Failed(dirtyTree(repo.path, entries))
      return { changed: false, facts: { afterSha: head.sha, afterBranch: head.branch } }
    },
  },
  look: {
    check: checkFindings,
    async holds(ctx, input, { sha, branch }) {
      const { repo, head } = await openRepository(ctx, canonicalPath(input.repo))
      requireHead(ctx, repo, head, { sha: String(sha), branch: branch ? String(branch) : null })
    },
  },
}

/** Where HEAD shall be, and where the branch is now: what was checked is what the compare and swap is held to. */
type Goal = Head & { tip: string | null }

/** Throws when a branch cannot simply go forward. */
async function goalOf(ctx: StepContext, opened: Opened, input: CheckoutWith, ref: Resolved): Promise<Goal> {
  if (ref.kind !== 'branch') return { sha: ref.sha, branch: null, tip: null }
  const { name: branch, sha: target } = ref
  const tip = await freeBranchTip(ctx, opened.repo, branch, opened.head)
  if (tip === null) return { sha: target, branch, tip }
  if (input.pull === 'none') return { sha: tip, branch, tip }
  await requireForward(ctx, opened, { branch, local: tip, target, remote: input.remote })
  return { sha: target, branch, tip }
}

/** What a guard has judged is what is checked out. */
function requireGuarded(ctx: StepContext, { path }: Repo, goal: Goal): void {
  const judged = ctx.outputsOf('compose.guard').findLast(({ repo }) => repo === path)
  if (judged && judged['sha'] !== goal.sha)
    throw new Failed({ code: 'head-differs', repo: path, expected: String(judged['sha']), actual: goal.sha })
}

async function moveTo(ctx: StepContext, { repo, head }: Opened, goal: Goal, mark: string): Promise<void> {
  if (head.sha === goal.sha && head.branch === goal.branch) return
  if (head.sha !== goal.sha || goal.branch === null) {
    await towards(ctx, repo, goal.sha, () => detachAt(ctx, repo, head, goal.sha))
  }
  if (goal.branch === null) return
  await moveBranch(ctx, repo, goal.branch, goal.tip, goal.sha, mark)
  await attachTo(ctx, repo, goal.branch)
}

async function reattach(ctx: StepContext, repo: Repo, snapshot: Snapshot): Promise<void> {
  if (snapshot.branch === null) return
  if ((await branchTip(ctx, repo, snapshot.branch)) !== snapshot.sha) {
    const problem = `branch ${snapshot.branch} is no longer at ${snapshot.sha.slice(0, 12)}; HEAD is left detached there`
    throw new Failed({ code: 'not-restored', step: ctx.stepId, problem })
  }
  await attachTo(ctx, repo, snapshot.branch)
}

async function resultOf(
  ctx: StepContext,
  repo: Repo,
  { before, after, hasModules }: { before: Head; after: Head; hasModules: boolean },
): Promise<StepResult> {
  const submodules = await followSubmodules(ctx, repo, hasModules)
  const pointers = await lfsPointers(ctx, repo)
  if (pointers.length > 0) {
    ctx.say(`Git LFS content is missing, only pointers are there: ${pointers.slice(0, 10).join(', ')}`)
  }
  const range = `${before.sha}..${after.sha}`
  const commits = before.sha === after.sha ? '0' : await ask(ctx, repo, ['rev-list', '--count', range, '--'])
  return {
    changed: before.sha !== after.sha || before.branch !== after.branch,
    outputs: {
      sha: after.sha,
      branch: after.branch ?? '',
      beforeSha: before.sha,
      beforeBranch: before.branch ?? '',
      commits: Number(commits),
      submodules,
      lfsPointers: pointers.slice(0, 50),
    },
    facts: {
      beforeSha: before.sha,
      beforeBranch: before.branch,
      afterSha: after.sha,
      afterBranch: after.branch,
    },
  }
}

const checkoutLock = ({ repo }: CheckoutWith) => `checkout:${canonicalPath(repo)}`
const markOf = (ctx: StepContext) => `hostops: ${ctx.runId} ${ctx.stepId}`

function planned(input: CheckoutWith, sha: PlannedArg): PlannedCommand[] {
  const repo = repoAt(canonicalPath(input.repo))
  const wanted = wantedRef(input.ref)
  const mayBeBranch = wanted.kinds.includes('branch') && !isFullCommitName(input.ref)
  const branch = branchRef(wanted.name)
  return [
    { argv: [...gitArgv(repo, CHECKOUT), typeof sha === 'string' ? exactly(sha) : sha] },
    ...(mayBeBranch
      ? [
          {
            argv: [...gitArgv(repo, ['update-ref', '--create-reflog', branch]), sha, { unknown: 'its tip' }],
          },
          { argv: gitArgv(repo, [...ATTACH, branch]) },
        ]
      : []),
    ...(input.submodules ? SUBMODULE_COMMANDS.map(args => ({ argv: gitArgv(repo, args) })) : []),
  ]
}
