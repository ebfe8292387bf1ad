/**
 * The images of a stack, kept under names of our own so that neither a rebuild nor a prune loses them, and put back
 * from there without a build, without a registry.
 */
import { Failed } from '../failure.ts'
import { compose, composeArgv, docker, LOOKING, type Stack } from './compose.ts'
import { type DiskSeen, type KeptFile, keepFiles, missingFiles } from './compose-keep.ts'
import { type Project, readProject, readReplicas, type Service, withProfiles } from './compose-project.ts'
import { withoutLeftovers } from './compose-repair.ts'
import { canonicalPath } from './fields.ts'
import type { Replica } from './stability.ts'
import type { StepContext } from './step.ts'

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
}
export type KeptStack = {
  project: string
  images: KeptImage[]
  /** Services that had a container, or that the run has nothing to do with: what else has one later was made by the run. */
  notOurs: string[]
  folder: string | null
  envFiles: KeptFile[]
  disk: DiskSeen | null
}

/**
 * Read-only but for what it adds of our own: tags on the target's engine, files in a folder of ours. What a run has
 * pinned once stays as it is, so that every step of it keeps the same state.
 */
export async function keepImages(
  ctx: StepContext,
  stack: Stack,
  services: readonly string[],
  which: 'named' | 'reach',
): Promise<KeptStack> {
  const files = await keepFiles(ctx, stack, services)
  const { images, replicas } = await imagesOf(ctx, stack, files.project, {
    services: files.project[which === 'named' ? 'services' : 'reach'],
    confirmed: files.imageNames,
  })
  for (const image of images) {
    const all = [...new Set([image.id, ...image.running])].filter(id => id !== null)
    const pins: Pin[] = []
    for (const [at, id] of all.entries()) {
      const name = pinName(files.project.name, image.service, ctx.runId)
      pins.push(await pinOnce(ctx, stack, id, at === 0 ? name : `${name}-${at + 1}`))
    }
    const [first, ...others] = pins
    if (first) Object.assign(image, { id: first.id, pin: first.pin, others })
  }
  const { folder, envFiles, disk, project } = files
  const notOurs = [...new Set([...replicas.map(replica => replica.service), ...project.apart])]
  return { project: project.name, images, notOurs, folder, envFiles, disk }
}

async function pinOnce(ctx: StepContext, stack: Stack, id: string, pin: string): Promise<Pin> {
  const kept = await imageId(ctx, pin)
  if (kept !== null) return { id: kept, pin }
  await docker(ctx, canonicalPath(stack.dir), ['tag', id, pin], { quiet: true })
  return { id, pin }
}

/** What there is, without keeping it. */
export async function seeImages(
  ctx: StepContext,
  stack: Stack,
  services: readonly string[],
  which: 'named' | 'reach',
): Promise<{ project: Project; images: KeptImage[]; replicas: Replica[] }> {
  const project = await readProject(ctx, stack, services)
  const wanted = project[which === 'named' ? 'services' : 'reach']
  const done = await compose(ctx, withProfiles(stack, services), ['config', '--images'], LOOKING)
  const options = { services: wanted, confirmed: done.stdout.split(/\r?\n/) }
  return { project, ...(await imagesOf(ctx, stack, project, options)) }
}

async function imagesOf(
  ctx: StepContext,
  stack: Stack,
  project: Project,
  options: { services: readonly Service[]; confirmed: readonly string[] | null },
) {
  const replicas = await readReplicas(ctx, stack, project.name, null)
  const whole = withoutLeftovers(replicas)
  const images: KeptImage[] = []
  for (const service of options.services) {
    const name = imageName(stack, project.name, service, options.confirmed)
    const running = whole.filter(each => each.service === service.name).map(replica => replica.image)
    const named = await imageId(ctx, name)
    const id = running[0] ?? named
    const { name: of, replicas: asked } = service
    images.push({ service: of, name, named, id, pin: null, others: [], running, replicas: asked })
  }
  return { images, replicas }
}

/** The names mean the kept images again. All pins are looked for before the first name moves. */
export async function putImagesBack(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<boolean> {
  const missing = await missingPins(ctx, kept)
  if (missing.length > 0) throw new Failed({ code: 'rollback-set-missing', what: missing })
  let changed = false
  for (const { name, id, pin } of kept.images) {
    if (pin === null || (await imageId(ctx, name)) === id) continue
    await docker(ctx, canonicalPath(stack.dir), ['tag', pin, name], { quiet: true })
    changed = true
  }
  return changed
}

export async function missingPins(ctx: StepContext, kept: KeptStack): Promise<string[]> {
  const missing: string[] = []
  for (const image of kept.images) {
    const pins = image.pin === null || image.id === null ? [] : [{ pin: image.pin, id: image.id }]
    for (const { pin, id } of [...pins, ...image.others])
      if ((await imageId(ctx, pin)) !== id) missing.push(pin)
  }
  return missing
}

/** Everything that a rollback will need, looked for and not touched. */
export async function missingParts(ctx: StepContext, kept: KeptStack): Promise<string[]> {
  return [...(await missingPins(ctx, kept)), ...(await missingFiles(ctx, kept.envFiles))]
}

/** Every container runs the image that it ran before, and none is there that was not. */
export async function requireImages(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<Replica[]> {
  const now = await readReplicas(ctx, stack, kept.project, null)
  const imagesNow = (service: string) =>
    now.filter(replica => replica.service === service).map(each => each.image)
  const differ = kept.images
    .filter(image => sorted(imagesNow(image.service)) !== sorted(image.running))
    .map(image => image.service)
  const left = [...differ, ...madeSince(kept, now).map(replica => replica.service)]
  if (left.length > 0) throw new Failed({ code: 'images-differ', services: [...new Set(left)] })
  return now
}

/** Containers of services that had none before. */
export const madeSince = (kept: KeptStack, now: readonly Replica[]): Replica[] =>
  now.filter(replica => !kept.notOurs.includes(replica.service))

/** `hostops/rollback/<project>-<service>:<runId>`, in the letters that the engine allows. */
export function pinName(project: string, service: string, runId: string): string {
  const name = `${project}-${service}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, between => (/^(\.|__?|-+)$/.test(between) ? between : '-'))
    .replace(/[^a-z0-9]+$/, '')
  return `hostops/rollback/${name}:${runId.replace(/[^A-Za-z0-9_.-]/g, '-').slice(0, 120)}`
}

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

export async function imageId(ctx: StepContext, name: string): Promise<string | null> {
  const argv = ['docker', 'image', 'inspect', '--format', '{{.Id}}', name]
  const done = await ctx.exec({ argv, ...LOOKING })
  return done.code === 0 ? done.stdout.trim() : null
}

const sorted = (ids: readonly string[]) => [...ids].sort().join(' ')
