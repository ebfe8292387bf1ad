/**
 * The images of a stack, kept under names of our own so that neither a rebuild nor a prune loses them, and put back
 * from there without a build, without a registry.
 */
import { Failed } from '../../failure.ts'
import { canonicalPath } from '../fields.ts'
import { lines } from '../plain-text.ts'
import type { StepContext } from '../step.ts'
import { compose, composeArgv, docker, LOOKING, type Stack } from './compose.ts'
import { composeFailed } from './failed.ts'
import { type KeptFiles, keepFiles } from './keep.ts'
import type { Possession } from './possessions.ts'
import { type Project, readRendered, readReplicas, type Service, withProfiles } from './project.ts'
import { withoutLeftovers } from './repair.ts'
import { plainStack, type RunningStack, runningStack } from './running-stack.ts'
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
} & Omit<KeptFiles, 'project' | 'rendered' | 'imageNames'>

/**
 * Read-only but for what it adds of our own: tags on the target's engine, files in a folder of ours. What a run has
 * pinned once stays as it is, so that every step of it keeps the same state.
 */
export async function keepImages(
  ctx: StepContext,
  given: Stack,
  services: readonly string[],
  which: 'named' | 'reach',
): Promise<{ kept: KeptStack; replicas: Replica[]; rendered: string }> {
  const stack = await runningStack(ctx, given, services)
  const files = await keepFiles(ctx, stack, services, given)
  const options = {
    services: files.project[which === 'named' ? 'services' : 'reach'],
    confirmed: files.imageNames,
  }
  const [{ images, replicas }, pinned] = await Promise.all([
    imagesOf(ctx, stack, files.project, options),
    pinsOf(ctx, stack),
  ])
  const pin = async (id: string, name: string): Promise<Pin> => {
    const kept = pinned.get(name)
    if (kept !== undefined) return { id: kept, pin: name }
    await docker(ctx, canonicalPath(stack.dir), ['tag', id, name], { quiet: true })
    return { id, pin: name }
  }
  for (const image of images) {
    const all = [...new Set([image.id, ...image.running])].filter(id => id !== null)
    const name = pinName(files.project.name, image.service, ctx.runId)
    const pins = await Promise.all(all.map((id, at) => pin(id, at === 0 ? name : `${name}-${at + 1}`)))
    const [first, ...others] = pins
    if (first) Object.assign(image, { id: first.id, pin: first.pin, others })
  }
  const { project, imageNames: _, rendered, ...rest } = files
  const notOurs = [...new Set([...replicas.map(replica => replica.service), ...project.apart])]
  const containers = replicas.map(replica => replica.id)
  const names = replicas.map(replica => replica.name)
  const kept = {
    project: project.name,
    images,
    notOurs,
    containers,
    names,
    stack: plainStack(stack),
    ...rest,
  }
  return { kept, replicas, rendered }
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
): Promise<{ stack: Stack; project: Project; images: KeptImage[]; replicas: Replica[]; rendered: string }> {
  const stack = await runningStack(ctx, given, services)
  const { project, rendered } = await readRendered(ctx, stack, services)
  const wanted = project[which === 'named' ? 'services' : 'reach']
  const done = await compose(ctx, withProfiles(stack, services), ['config', '--images'], LOOKING)
  const options = { services: wanted, confirmed: done.stdout.split(/\r?\n/) }
  return { stack, project, rendered, ...(await imagesOf(ctx, stack, project, options)) }
}

async function imagesOf(
  ctx: StepContext,
  stack: Stack,
  project: Project,
  options: { services: readonly Service[]; confirmed: readonly string[] | null },
) {
  const names = options.services.map(each => imageName(stack, project.name, each, options.confirmed))
  const [replicas, ids] = await Promise.all([
    readReplicas(ctx, stack, project.name, null),
    imageIds(ctx, stack.dir, names),
  ])
  const whole = withoutLeftovers(replicas)
  const images: KeptImage[] = options.services.map((service, at) => {
    const name = names[at]!
    const own = whole.filter(each => each.service === service.name)
    const running = own.map(replica => replica.image)
    const named = ids.get(name) ?? null
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
  return { images, replicas }
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

/** What the compose file says, else compose's own default, once compose has confirmed it: never guessed. */
function imageName(
  stack: Stack,
  project: string,
  service: Service,
  confirmed: readonly string[] | null,
): string {
  const name = service.image ?? `${project}-${service.name}`
  if (confirmed === null || confirmed.includes(name)) return name
  const problem = `${name} is not among the images of service ${service.name}`
  throw new Failed({ code: 'output-unreadable', argv: composeArgv(stack, ['config', '--images']), problem })
}

/** Null: there is no such image. One question where all are there, which is the usual case. */
export async function imageIds(
  ctx: StepContext,
  dir: string,
  names: readonly string[],
): Promise<Map<string, string | null>> {
  const asked = [...new Set(names)]
  if (asked.length === 0) return new Map()
  const argv = ['docker', 'image', 'inspect', '--format', '{{.Id}}', '--', ...asked]
  const done = await ctx.exec({ argv, ...LOOKING })
  const ids = lines(done.stdout)
  if (done.code === 0 && ids.length === asked.length)
    return new Map(asked.map((name, at) => [name, ids[at] ?? null]))
  const [only] = asked
  if (asked.length === 1 && only !== undefined) {
    const failed = composeFailed(canonicalPath(dir), 'image inspect', done)
    // Nobody was there to be asked: that says nothing about the image.
    if (done.code !== 0 && failed.failure.code !== 'compose-failed') throw failed
    return new Map([[only, null]])
  }
  const each = await Promise.all(asked.map(name => imageIds(ctx, dir, [name])))
  return new Map(each.flatMap(found => [...found]))
}
