/** The way back of running containers: from the kept images, without a build and without a registry. */
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { docker, type Stack } from './compose.ts'
import { type KeptImage, type KeptStack, madeSince } from './image-pins.ts'
import { madeByProject } from './keep-stack.ts'
import { withStandIns } from './lost.ts'
import { upInSilence } from './progress.ts'
import { listContainers, readReplicas } from './project.ts'
import { repair } from './repair.ts'
import { notPutBack, putFilesBack } from './restore-files.ts'
import { renderedStack } from './saved-files.ts'
import { isUp, type Replica } from './stability.ts'

type Seen = Pick<Replica, 'id' | 'name'>

/** No build, no registry: what is started is what was kept. */
const AS_KEPT = ['--no-build', '--pull', 'never']
export const backArgs = (more: readonly string[]): string[] => ['up', '-d', ...AS_KEPT, ...more]

/** Starts these services as they were, from `from`. Answers with those that it has replaced in their places. */
export type Bring = (
  ctx: StepContext,
  from: Stack,
  images: readonly KeptImage[],
  kept: KeptStack,
) => Promise<readonly KeptImage[]>

/** Services that had no container before have none afterwards, and one that was stopped is stopped again. */
export async function bringBack(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack,
  bring: Bring = upInPlace,
): Promise<{ changed: boolean; leftBehind: string[] }> {
  const [{ replaced, left, differs }, listed, images] = await Promise.all([
    putFilesBack(ctx, stack, kept),
    listContainers(ctx, stack, kept.project),
    withStandIns(ctx, stack, kept),
  ])
  await ctx.evidenceKept
  const { seen, repaired } = await repair(ctx, stack, kept.project, listed)
  for (const path of replaced) ctx.say(`${path} is as before again`)
  const there = images.filter(image => image.running.length > 0)
  const from = there.length === 0 ? stack : sourceOf(ctx, stack, kept, differs)
  const replacedInPlace = there.length === 0 ? [] : await bring(ctx, from, there, kept)
  const [now, made] = await Promise.all([
    readReplicas(ctx, stack, kept.project, null, kept.names),
    madeMeanwhile(ctx, stack, kept),
  ])
  await recreateStale(ctx, from, { ...kept, images: [...replacedInPlace] }, { seen, now })
  await stopAgain(ctx, stack, kept, now)
  const added = madeSince(kept, now)
  await remove(ctx, stack, added)
  const leftBehind = await removeNetworks(ctx, made)
  // Whatever else is wrong, the containers are back first.
  if (left.length > 0) throw notPutBack(ctx, left)
  const same = seen.length === kept.containers.length && seen.every(({ id }) => kept.containers.includes(id))
  return { changed: replaced.length > 0 || added.length > 0 || repaired || !same, leftBehind }
}

/** The files of the checkout where they are what they were, else the configuration that was kept. */
function sourceOf(ctx: StepContext, stack: Stack, kept: KeptStack, differs: boolean): Stack {
  const { folder } = kept
  if (folder === null) return stack
  const rendered = renderedStack(stack, { ...kept, folder })
  const from = `the stack comes back from the configuration kept in ${folder}`
  if (typeof kept.was === 'string') return { ...rendered, files: [kept.was] }
  if (!differs) return stack
  ctx.say(`the compose files do not give what they gave before the run: ${from}`)
  return rendered
}

/** Containers of another version are replaced in their places. */
export const upInPlace = async (ctx: StepContext, from: Stack, images: readonly KeptImage[]) => {
  // Scaled by hand: the compose file does not know it.
  const scaled = images.filter(image => image.replicas !== image.running.length)
  const scale = scaled.flatMap(image => ['--scale', `${image.service}=${image.running.length}`])
  const [stopped, ran] = [images.filter(image => image.up === 0), images.filter(image => image.up !== 0)]
  const names = (some: readonly KeptImage[]) => some.map(image => image.service)
  // Never with --no-deps: Compose would hash, and label, a configuration without its dependencies.
  if (stopped.length > 0) await upInSilence(ctx, from, ['up', '--no-start', ...AS_KEPT, ...names(stopped)])
  if (ran.length > 0) await upInSilence(ctx, from, backArgs([...scale, ...names(ran)]))
  for (const image of images) if (image.others.length > 0) await replicaByReplica(ctx, from, image)
  return images
}

/** The replicas of one service ran different images; compose knows one name for all of them. */
async function replicaByReplica(ctx: StepContext, stack: Stack, image: KeptImage): Promise<void> {
  const dir = canonicalPath(stack.dir)
  const pins = new Map(image.others.map(({ id, pin }) => [id, pin]))
  const upTo = (count: number) =>
    upInSilence(
      ctx,
      stack,
      backArgs(['--no-recreate', '--scale', `${image.service}=${count}`, image.service]),
    )
  await upTo(0)
  for (const [at, id] of image.running.entries()) {
    await docker(ctx, dir, ['tag', pins.get(id) ?? image.pin ?? id, image.name], { quiet: true })
    await upTo(at + 1)
  }
  await docker(ctx, dir, ['tag', image.pin ?? image.running[0]!, image.name], { quiet: true })
}

/** Containers of the version that failed which compose left alone, since only a file that they mount was another one. */
async function recreateStale(
  ctx: StepContext,
  from: Stack,
  kept: KeptStack,
  { seen, now }: { seen: readonly Seen[]; now: readonly Replica[] },
): Promise<void> {
  const mounts = kept.images.filter(image => typeof image.files === 'string' && image.up !== 0)
  const stale = now.filter(
    ({ id, service }) =>
      !kept.containers.includes(id) &&
      seen.some(each => each.id === id) &&
      mounts.some(image => image.service === service),
  )
  if (stale.length === 0) return
  const services = [...new Set(stale.map(each => each.service))]
  await upInSilence(ctx, from, backArgs(['--force-recreate', ...services]))
}

async function stopAgain(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack,
  now: readonly Replica[],
): Promise<void> {
  const surplus = kept.images.flatMap(({ service, up, running }) => {
    if (up === undefined || up === running.length) return []
    return now.filter(each => each.service === service && isUp(each)).slice(up)
  })
  if (surplus.length === 0) return
  ctx.say(`stopped again, as before the run: ${surplus.map(each => each.name).join(', ')}`)
  const ids = surplus.map(each => each.id)
  await docker(ctx, canonicalPath(stack.dir), ['stop', ...ids], { durable: true })
}

async function remove(ctx: StepContext, stack: Stack, made: readonly Seen[]): Promise<void> {
  if (made.length === 0) return
  ctx.say(`removed, since it was not there before: ${made.map(replica => replica.name).join(', ')}`)
  await stopAndRemove(ctx, stack, made)
}

/** Each gets the time to stop that its own configuration gives it. */
export async function stopAndRemove(
  ctx: StepContext,
  { dir }: Pick<Stack, 'dir'>,
  containers: readonly Pick<Seen, 'id'>[],
): Promise<void> {
  if (containers.length === 0) return
  const ids = containers.map(({ id }) => id)
  await docker(ctx, canonicalPath(dir), ['stop', ...ids], { durable: true })
  await docker(ctx, canonicalPath(dir), ['rm', ...ids], {})
}

type Made = { networks: string[]; volumes: string[] }

async function madeMeanwhile(
  ctx: StepContext,
  stack: Stack,
  { networks, volumes, project }: KeptStack,
): Promise<Made> {
  if (networks === undefined || volumes === undefined) return { networks: [], volumes: [] }
  const [networksNow, volumesNow] = await Promise.all([
    madeByProject(ctx, stack, project, 'network'),
    madeByProject(ctx, stack, project, 'volume'),
  ])
  return {
    networks: networksNow.filter(each => !networks.includes(each)),
    volumes: volumesNow.filter(each => !volumes.includes(each)),
  }
}

/** Networks of the version that failed go where nothing uses them; its volumes may hold data, and are only named. */
async function removeNetworks(ctx: StepContext, { networks, volumes }: Made): Promise<string[]> {
  const left = volumes.map(name => `volume ${name}`)
  for (const network of networks) {
    const [id = '', name = ''] = network.split(' ')
    const done = await ctx.exec({ argv: ['docker', 'network', 'rm', id], quiet: true })
    if (done.code !== 0) left.push(`network ${name}`)
  }
  if (left.length > 0) ctx.say(`made by the version that was taken back, and left: ${left.join(', ')}`)
  return left
}
