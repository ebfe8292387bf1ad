/** The way back of running containers: from the kept images, without a build and without a registry. */
import { compose, docker, type Stack } from './compose.ts'
import { type KeptImage, type KeptStack, madeSince } from './compose-images.ts'
import { putFilesBack } from './compose-keep.ts'
import { readReplicas } from './compose-project.ts'
import { repair } from './compose-repair.ts'
import { canonicalPath } from './fields.ts'
import { fingerprint, type Replica } from './stability.ts'
import type { StepContext } from './step.ts'

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
  const replaced = await putFilesBack(ctx, kept.envFiles)
  for (const path of replaced) ctx.say(`${path} is as before again`)
  const was = fingerprint(await repair(ctx, stack, kept.project))
  const there = kept.images.filter(image => image.running.length > 0)
  if (there.length > 0) await upAgain(ctx, stack, there)
  for (const image of there) if (image.others.length > 0) await replicaByReplica(ctx, stack, image)
  const now = await readReplicas(ctx, stack, kept.project, null)
  await remove(ctx, stack, madeSince(kept, now))
  return replaced.length > 0 || fingerprint(now) !== was
}

async function upAgain(ctx: StepContext, stack: Stack, images: readonly KeptImage[]): Promise<void> {
  const names = images.map(image => image.service)
  // Scaled by hand: the compose file does not know it.
  const scaled = images.filter(image => image.replicas !== image.running.length)
  const scale = scaled.flatMap(image => ['--scale', `${image.service}=${image.running.length}`])
  await compose(ctx, stack, backArgs([...scale, ...names]), { durable: true })
}

/** The replicas of one service ran different images; compose knows one name for all of them. */
async function replicaByReplica(ctx: StepContext, stack: Stack, image: KeptImage): Promise<void> {
  const dir = canonicalPath(stack.dir)
  const pins = new Map(image.others.map(({ id, pin }) => [id, pin]))
  const upTo = (count: number) =>
    compose(
      ctx,
      stack,
      backArgs(['--no-recreate', '--no-deps', '--scale', `${image.service}=${count}`, image.service]),
      { durable: true },
    )
  await upTo(0)
  for (const [at, id] of image.running.entries()) {
    await docker(ctx, dir, ['tag', pins.get(id) ?? image.pin ?? id, image.name], { quiet: true })
    await upTo(at + 1)
  }
  await docker(ctx, dir, ['tag', image.pin ?? image.running[0]!, image.name], { quiet: true })
}

async function remove(ctx: StepContext, stack: Stack, made: readonly Replica[]): Promise<void> {
  if (made.length === 0) return
  ctx.say(`removed, since it was not there before: ${made.map(replica => replica.name).join(', ')}`)
  const dir = canonicalPath(stack.dir)
  const ids = made.map(replica => replica.id)
  await docker(ctx, dir, ['stop', ...ids], { durable: true })
  await docker(ctx, dir, ['rm', ...ids], {})
}
