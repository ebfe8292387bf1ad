/**
 * The images of a stack, kept under names of our own so that neither a rebuild nor a prune loses them, and put back
 * from there without a build, without a registry.
 */

import { Failed } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { compose, composeArgv, docker, type Stack } from './compose.ts'
import { imageIds, inspectImages } from './inspect-images.ts'
import type { Possession } from './possessions.ts'
import { type Project, readRendered, type Service, withProfiles } from './project.ts'
import { withoutLeftovers } from './repair.ts'
import { containersOf, plainStack, type RunningStack, runningStack } from './running-stack.ts'
import { type KeptFiles, keepFiles, seeDisk } from './saved-files.ts'
import { isUp, type Replica } from './stability.ts'

export type Pin = { id: string; pin: string }
export type KeptImage = {
  service: string
  /** As compose names it: what `up` will start. */
  name: string
  /** What that name means now. */
  named: string | null
  /** What runs, or where nothing runs what the name means. Null: neither. */
  id: string | null
  /** Under which the image is kept. */
  pin: string | null
  /** Replicas may run different images; these are the ones besides `id`. */
  others: Pin[]
  /** Image of each container; empty when there was none. */
  running: string[]
  /** How many containers the compose file asks for. */
  replicas: number
  /** How many of its containers ran, and were not stopped. This and all below is absent in what an older version kept. */
  up?: number
  /** The hash of the configuration of its containers; null where they differ or there are none. */
  config?: string | null
  /** The Compose that made them. */
  madeBy?: string
  /** What its containers have that a replacement must not lose unnoticed. */
  has?: Possession[]
  /** Digest of the files of the tree that it mounts. */
  files?: string | null
}
export type KeptStack = {
  project: string
  images: KeptImage[]
  /** Services that had a container, or that the run has nothing to do with: what else has one later was made by the run. */
  notOurs: string[]
  /** The ids of all containers of the project. */
  containers: string[]
  /** Their names, which compose gives to those that replace them, too. Absent in what an older version kept. */
  names?: string[]
  /** The stack that ran, which the playbook may not have spelled out. */
  stack?: RunningStack
  /** Of the project, by id; volumes by name. */
  networks?: string[]
  volumes?: string[]
  /** Services whose containers were made from another configuration than the files gave. */
  drifted?: string[]
  /** The configuration that gives those; null where none was found that does. */
  was?: string | null
} & Omit<KeptFiles, 'project' | 'rendered' | 'hashes'>

/** A stack as it runs, before anything of its images is kept. Its files are. */
export type FoundStack = {
  stack: Stack
  files: KeptFiles
  replicas: Replica[]
  /** Of this run, by name. */
  pinned: ReadonlyMap<string, string>
}

export async function findStack(
  ctx: StepContext,
  given: Stack,
  services: readonly string[],
): Promise<FoundStack> {
  const disk = seeDisk(ctx)
  disk.catch(() => {})
  const [stack, pinned] = await Promise.all([runningStack(ctx, given, services), pinsOf(ctx, given)])
  const { project } = stack
  const [files, running] = await Promise.all([
    keepFiles(ctx, stack, services, { named: given, disk }),
    project === undefined ? [] : containersOf(ctx, stack, project).then(found => glance(ctx, stack, found)),
  ])
  // Another folder may have made them, where this one has none.
  const replicas = project === undefined ? await containersOf(ctx, stack, files.project.name) : running
  return { stack, files, replicas, pinned }
}

/** `imagesOf` is going to ask the same, and is answered by this where both look in one moment: while Compose renders. */
function glance(ctx: StepContext, { dir }: Stack, replicas: Replica[]): Replica[] {
  const names = withoutLeftovers(replicas).flatMap(({ imageName, image }) => [imageName ?? image, image])
  inspectImages(ctx, dir, names).catch(() => {})
  return replicas
}

/**
 * Read-only but for what it adds of our own: tags on the target's engine, files in a folder of ours. What a run has
 * pinned once stays as it is, so that every step of it keeps the same state.
 */
export async function keepImages(
  ctx: StepContext,
  found: FoundStack,
  which: 'named' | 'reach',
): Promise<KeptStack> {
  const { stack, files, replicas } = found
  const { images } = await imagesOf(ctx, stack, files.project, { which, replicas })
  return pinImages(ctx, found, images)
}

export async function pinImages(
  ctx: StepContext,
  { stack, files, replicas, pinned }: FoundStack,
  images: readonly KeptImage[],
): Promise<KeptStack> {
  const pin = async (id: string, name: string): Promise<Pin> => {
    const kept = pinned.get(name)
    if (kept !== undefined) return { id: kept, pin: name }
    const how = { quiet: true, repeatable: true }
    await docker(ctx, canonicalPath(stack.dir), ['tag', id, name], how)
    return { id, pin: name }
  }
  const keep = async (image: KeptImage): Promise<KeptImage> => {
    const all = [...new Set([image.id, ...image.running])].filter(id => id !== null)
    const name = pinName(files.project.name, image.service, ctx.runId)
    const pins = await Promise.all(all.map((id, at) => pin(id, at === 0 ? name : `${name}-${at + 1}`)))
    const [first, ...others] = pins
    return first ? { ...image, id: first.id, pin: first.pin, others } : image
  }
  const { project, rendered: _, hashes: __, ...rest } = files
  return {
    project: project.name,
    images: await Promise.all(images.map(keep)),
    notOurs: [...new Set([...replicas.map(replica => replica.service), ...project.apart])],
    containers: replicas.map(replica => replica.id),
    names: replicas.map(replica => replica.name),
    stack: plainStack(stack),
    ...rest,
  }
}

/** What this run has pinned so far. */
async function pinsOf(ctx: StepContext, stack: Stack): Promise<Map<string, string>> {
  const args = ['--no-trunc', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}']
  const ours = ['--filter', `reference=${PINS}/*:${pinTag(ctx.runId)}*`]
  const { stdout } = await docker(ctx, canonicalPath(stack.dir), ['image', 'ls', ...args, ...ours], LOOKING)
  return new Map(lines(stdout).map(line => line.split(' ') as [string, string]))
}

/** What there is, without keeping it. */
export async function seeImages(
  ctx: StepContext,
  given: Stack,
  services: readonly string[],
  which: 'named' | 'reach',
): Promise<{ stack: Stack; project: Project; replicas: Replica[]; rendered: string } & SeenImages> {
  const stack = await runningStack(ctx, given, services)
  const { project, rendered } = await readRendered(ctx, stack, services)
  const replicas = await containersOf(ctx, stack, project.name)
  return {
    ...{ stack, project, replicas, rendered },
    ...(await imagesOf(ctx, stack, project, { which, replicas })),
  }
}

/** `variables`: of each image that a container was made from, by its id, where the engine has it still. */
type SeenImages = { images: KeptImage[]; variables: Map<string, string[]> }

export async function imagesOf(
  ctx: StepContext,
  stack: Stack,
  project: Project,
  { which, replicas }: { which: 'named' | 'reach'; replicas: readonly Replica[] },
): Promise<SeenImages> {
  const services = project[which === 'named' ? 'services' : 'reach']
  const whole = withoutLeftovers(replicas)
  const names = await imageNames(ctx, stack, project, { services, replicas: whole })
  const ids = whole.map(replica => replica.image)
  const seen = await inspectImages(ctx, stack.dir, [...names, ...ids])
  const images = services.map((service, at): KeptImage => {
    const name = names[at]!
    const own = whole.filter(each => each.service === service.name)
    const running = own.map(replica => replica.image)
    const named = seen.get(name)?.id ?? null
    const id = running[0] ?? named
    return {
      service: service.name,
      name,
      named,
      id,
      pin: null,
      others: [],
      running,
      replicas: service.replicas,
      // One that ends on its own runs or not, by the moment in which one looks.
      ...(service.oneShot ? {} : { up: own.filter(isUp).length }),
      config: only(own.map(replica => replica.config)),
      madeBy: own[0]?.madeBy ?? '',
    }
  })
  const variables = new Map(ids.flatMap(id => (seen.get(id) ? [[id, seen.get(id)!.variables] as const] : [])))
  return { images, variables }
}

/** The names mean the kept images again, but for those that are gone. What they meant meanwhile goes with `tidy`. */
export async function putImagesBack(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<boolean> {
  const pins = pinsIn(kept)
  const names = kept.images.map(image => image.name)
  const ids = await imageIds(ctx, stack.dir, [...pins.map(({ pin }) => pin), ...names])
  const missing = pins.filter(({ pin, id }) => ids.get(pin) !== id).map(({ pin }) => pin)
  if (missing.length > 0) ctx.say(`gone: ${missing.join(', ')}`)
  const moved = kept.images.filter(
    ({ name, id, pin }) => pin !== null && !missing.includes(pin) && ids.get(name) !== id,
  )
  const tag = (from: string, to: string) =>
    docker(ctx, canonicalPath(stack.dir), ['tag', from, to], { quiet: true })
  await Promise.all(
    moved.map(async ({ service, name, pin }) => {
      if (ids.get(name)) await tag(name, failedName(kept.project, service, ctx.runId))
      await tag(pin!, name)
    }),
  )
  return moved.length > 0
}

export const pinsIn = (kept: Pick<KeptStack, 'images'>): Pin[] =>
  kept.images.flatMap(({ id, pin, others }) => [
    ...(pin === null || id === null ? [] : [{ pin, id }]),
    ...others,
  ])

export async function missingPins(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<string[]> {
  const pins = pinsIn(kept)
  const ids = await imageIds(
    ctx,
    stack.dir,
    pins.map(({ pin }) => pin),
  )
  return pins.filter(({ pin, id }) => ids.get(pin) !== id).map(({ pin }) => pin)
}

/** Null where they differ. */
const only = (all: readonly string[]): string | null => (new Set(all).size === 1 ? all[0]! : null)

/** Containers of services that had none before. */
export const madeSince = <R extends Pick<Replica, 'service'>>(kept: KeptStack, now: readonly R[]): R[] =>
  now.filter(replica => !kept.notOurs.includes(replica.service))

export const PINS = 'hostops/rollback'
/** What a rollback has taken a name away from: without one of ours it would stay behind without any. */
export const FAILED = 'hostops/failed'

/** `hostops/rollback/<project>-<service>:<runId>`, in the letters that the engine allows. */
export const pinName = (project: string, service: string, runId: string): string =>
  nameIn(PINS, project, service, runId)

const failedName = (project: string, service: string, runId: string): string =>
  nameIn(FAILED, project, service, runId)

function nameIn(place: string, project: string, service: string, runId: string): string {
  const name = `${project}-${service}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, between => (/^(\.|__?|-+)$/.test(between) ? between : '-'))
    .replace(/[^a-z0-9]+$/, '')
  return `${place}/${name}:${pinTag(runId)}`
}

const pinTag = (runId: string) => runId.replace(/[^A-Za-z0-9_.-]/g, '-').slice(0, 120)

/** What the compose file says, else compose's own default, once a container or compose has confirmed it: never guessed. */
async function imageNames(
  ctx: StepContext,
  stack: Stack,
  project: Project,
  { services, replicas }: { services: readonly Service[]; replicas: readonly Replica[] },
): Promise<string[]> {
  const own = (service: Service) => `${project.name}-${service.name}`
  const isKnown = (service: Service) =>
    service.image !== null ||
    replicas.some(each => each.service === service.name && each.imageName === own(service))
  const unknown = services.filter(service => !isKnown(service))
  if (unknown.length > 0) {
    const asked = withProfiles(
      stack,
      services.map(({ name }) => name),
    )
    const done = await compose(ctx, asked, ['config', '--images'], LOOKING)
    const confirmed = lines(done.stdout)
    const wrong = unknown.find(service => !confirmed.includes(own(service)))
    if (wrong) {
      const problem = `${own(wrong)} is not among the images of service ${wrong.name}`
      throw new Failed({
        code: 'output-unreadable',
        argv: composeArgv(stack, ['config', '--images']),
        problem,
      })
    }
  }
  return services.map(service => service.image ?? own(service))
}
