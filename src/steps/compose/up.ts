import * as z from 'zod'
import { once } from '../contract/once.ts'
import { type Ear, forField, listening, longestFor, msOf, oldForField, stand } from '../contract/standing.ts'
import type { StepContext, StepKind } from '../contract/step.ts'
import { checkUp } from './check-up.ts'
import { composeArgv, servicesField, stackFields } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { diskFacts } from './facts.ts'
import { mountedDigests } from './mounted-files.ts'
import { upInSilence } from './progress.ts'
import {
  allowLossField,
  forceRecreateField,
  keepRollbacksField,
  readReplacement,
  recreateStale,
  repaired,
  replacedResult,
  replacesContainers,
  type Snapshot,
} from './replace-containers.ts'
import { backArgs } from './restore-stack.ts'
import { sawReplicas } from './seen.ts'
import { fingerprint, type Replica } from './stability.ts'
import { maxRestartsField, type StackSign, startedSign } from './standing-stack.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    pull: z
      .enum(['missing', 'always', 'never'])
      .default('missing')
      .describe('When to pull images that are not built here. A rollback never pulls.'),
    forceRecreate: forceRecreateField(),
    removeOrphans: z
      .boolean()
      .default(false)
      .describe('Remove containers of services that the compose file no longer has.'),
    allowLoss: allowLossField(),
    keepRollbacks: keepRollbacksField(),
    for: forField(),
    watch: oldForField(),
    maxRestarts: maxRestartsField(),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

const LOOK_AGAIN_MS = 1000
/** Left for saying what happened. */
const RESERVE_MS = 5000

/** Its exit code says nothing about the stack; the look afterwards, `compose.wait` and `health.poll` do. */
export const composeUp: StepKind<With, Snapshot> = {
  uses: 'compose.up',
  summary:
    'Starts and replaces containers, without building, and sees at once what dies or gets unhealthy. The window is waited out by a compose.wait or health.poll behind it, else here.',
  schema,
  ...replacesContainers,
  plan: {
    ...replacesContainers.plan,
    commands: input => [{ argv: composeArgv(input, upArgs(input)), cwd: input.dir }],
    undoCommands: input => [{ argv: composeArgv(input, backArgs(input.services)), cwd: input.dir }],
  },
  act: {
    ...replacesContainers.act,
    run: survivingEngine(async (ctx, input, before) => {
      const target = await readReplacement(ctx, input, before)
      const { stack, project, losses, foreign } = target
      const [was, digests] = await Promise.all([
        repaired(ctx, target),
        mountedDigests(ctx, stack, target.rendered),
      ])
      const forMs = msOf(input.for ?? input.watch)
      const sign = startedSign({ stack, project, forMs, maxRestarts: input.maxRestarts }, was)
      // From now on, since a container may die before `up` has ended.
      const ear = listening(ctx, sign, ctx.now() + ctx.remainingMs())
      const started = async () => {
        await upInSilence(ctx, stack, upArgs(input), foreign)
        await recreateStale(ctx, target, input.pull, { images: before?.kept.images ?? [], was, digests })
        return Promise.all([watch(ctx, sign, was, ear), diskFacts(ctx, before?.kept.disk ?? null)])
      }
      const [now, disk] = await started().finally(ear.stop)
      sawReplicas(ctx, now)
      return replacedResult(before, { was, now, disk, digests, losses })
    }),
  },
  look: {
    ...replacesContainers.look,
    check: checkUp,
  },
}

const upArgs = (input: With) => [
  'up',
  '-d',
  '--no-build',
  ...['--pull', input.pull],
  ...(input.forceRecreate ? ['--force-recreate'] : []),
  ...(input.removeOrphans ? ['--remove-orphans'] : []),
  ...input.services,
]

/** Throws when something that `up` has started breaks down. A later step that waits for it waits the window out. */
async function watch(
  ctx: StepContext,
  sign: StackSign,
  was: readonly Replica[],
  ear: Ear,
): Promise<readonly Replica[]> {
  const now = await sign.begin(ctx)
  if (fingerprint(now) === fingerprint(was)) return now
  if (sign.forMs === 0) {
    ctx.standing.set(ctx.stepId, sign)
    return now
  }
  const timeoutMs = Math.max(0, ctx.remainingMs() - longestFor([sign]) - RESERVE_MS)
  await stand(ctx, sign, { timeoutMs, intervalMs: LOOK_AGAIN_MS }, ear)
  return sign.latest()
}
