/** The way back of running containers: from the kept images, without a build and without a registry. */
import { Failed, type FailureCode } from '../../failure.ts'
import { canonicalPath } from '../fields.ts'
import type { StepContext } from '../step.ts'
import { docker, type Stack } from './compose.ts'
import { type KeptImage, type KeptStack, madeSince } from './images.ts'
import { renderedStack } from './keep.ts'
import { upInSilence } from './progress.ts'
import { readReplicas } from './project.ts'
import { putFilesBack } from './put-back.ts'
import { repair, type Seen } from './repair.ts'

export const backArgs = (more: readonly string[]): string[] => [
  'up',
  '-d',
  '--no-build',
  '--pull',
  'never',
  ...more,
]

/** Services that had no container before have none afterwards. True when something had to be done. */
export async function bringBack(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<boolean> {
  const [{ replaced, differing }, { seen, repaired }] = await Promise.all([
    putFilesBack(ctx, { ...kept, dir: canonicalPath(stack.dir) }),
    repair(ctx, stack, kept.project),
  ])
  for (const path of replaced) ctx.say(`${path} is as before again`)
  const there = kept.images.filter(image => image.running.length > 0)
  const from = there.length === 0 ? stack : await upAgain(ctx, stack, kept, there, differing)
  for (const image of there) if (image.others.length > 0) await replicaByReplica(ctx, from, image)
  // Where all that is brought back was there, `up` has made nothing new.
  const all = there.length === kept.images.length
  const made = madeSince(kept, all ? seen : await readReplicas(ctx, stack, kept.project, null))
  await remove(ctx, stack, made)
  const same = seen.length === kept.containers.length && seen.every(({ id }) => kept.containers.includes(id))
  return replaced.length > 0 || made.length > 0 || repaired || !same
}

/** From the files of the checkout where they are what they were, else from the configuration that was kept. */
async function upAgain(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack,
  images: readonly KeptImage[],
  differing: readonly string[],
): Promise<Stack> {
  const names = images.map(image => image.service)
  // Scaled by hand: the compose file does not know it.
  const scaled = images.filter(image => image.replicas !== image.running.length)
  const scale = scaled.flatMap(image => ['--scale', `${image.service}=${image.running.length}`])
  const up = async (from: Stack) => {
    await upInSilence(ctx, from, backArgs([...scale, ...names]))
    return from
  }
  const { folder } = kept
  if (folder === null) return up(stack)
  const rendered = renderedStack(stack, { ...kept, folder })
  const from = `the stack comes back from the configuration kept in ${folder}`
  if (differing.length > 0) {
    ctx.say(`${differing.join(', ')}: not as before the run; ${from}`)
    return up(rendered)
  }
  try {
    return await up(stack)
  } catch (error) {
    if (!(error instanceof Failed) || !NOT_READ.has(error.failure.code)) throw error
    ctx.say(`the compose files cannot be used any more; ${from}`)
    return up(rendered)
  }
}

const NOT_READ: ReadonlySet<FailureCode> = new Set([
  'compose-file-missing',
  'compose-file-invalid',
  'service-unknown',
])

/** The replicas of one service ran different images; compose knows one name for all of them. */
async function replicaByReplica(ctx: StepContext, stack: Stack, image: KeptImage): Promise<void> {
  const dir = canonicalPath(stack.dir)
  const pins = new Map(image.others.map(({ id, pin }) => [id, pin]))
  const upTo = (count: number) =>
    upInSilence(
      ctx,
      stack,
      backArgs(['--no-recreate', '--no-deps', '--scale', `${image.service}=${count}`, image.service]),
    )
  await upTo(0)
  for (const [at, id] of image.running.entries()) {
    await docker(ctx, dir, ['tag', pins.get(id) ?? image.pin ?? id, image.name], { quiet: true })
    await upTo(at + 1)
  }
  await docker(ctx, dir, ['tag', image.pin ?? image.running[0]!, image.name], { quiet: true })
}

async function remove(ctx: StepContext, stack: Stack, made: readonly Seen[]): Promise<void> {
  if (made.length === 0) return
  ctx.say(`removed, since it was not there before: ${made.map(replica => replica.name).join(', ')}`)
  const dir = canonicalPath(stack.dir)
  const ids = made.map(replica => replica.id)
  await docker(ctx, dir, ['stop', ...ids], { durable: true })
  await docker(ctx, dir, ['rm', ...ids], {})
}
