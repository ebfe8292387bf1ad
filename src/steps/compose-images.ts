/**
 * The images of a stack, kept under names of our own so that neither a rebuild nor a prune loses them, and put back
 * from there without a build, without a registry.
 */
import { Failed } from '../failure.ts'
import { compose, composeArgv, docker, LOOKING, type Stack } from './compose.ts'
import { type Project, readProject, readReplicas, type Service } from './compose-project.ts'
import { canonicalPath } from './fields.ts'
import type { StepContext } from './step.ts'

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
  /** Image of each container; empty when there was none. */
  running: string[]
}
export type KeptStack = { project: string; images: KeptImage[] }

/** Read-only but for the tags of our own that it adds. */
export async function keepImages(
  ctx: StepContext,
  stack: Stack,
  services: readonly string[],
): Promise<KeptStack> {
  const seen = await seeImages(ctx, stack, services)
  for (const image of seen.images) {
    if (image.id === null) continue
    image.pin = pinName(seen.project, image.service, ctx.runId)
    await docker(ctx, canonicalPath(stack.dir), ['tag', image.id, image.pin], { quiet: true })
  }
  return seen
}

export async function seeImages(
  ctx: StepContext,
  stack: Stack,
  services: readonly string[],
): Promise<KeptStack> {
  const project = await readProject(ctx, stack, services)
  const running = await runningImages(ctx, stack, project)
  const images: KeptImage[] = []
  for (const service of project.services) {
    const name = await imageName(ctx, stack, project.name, service)
    const ids = running.get(service.name) ?? []
    const named = await imageId(ctx, name)
    images.push({ service: service.name, name, named, id: ids[0] ?? named, pin: null, running: ids })
  }
  return { project: project.name, images }
}

/** The names mean the kept images again. All pins are looked for before the first name moves. */
export async function putImagesBack(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<boolean> {
  const pinned = kept.images.flatMap(image => (image.pin === null ? [] : [{ ...image, pin: image.pin }]))
  const missing = []
  for (const image of pinned) if ((await imageId(ctx, image.pin)) !== image.id) missing.push(image.pin)
  if (missing.length > 0) throw new Failed({ code: 'rollback-set-missing', what: missing })
  let changed = false
  for (const image of pinned) {
    if ((await imageId(ctx, image.name)) === image.id) continue
    await docker(ctx, canonicalPath(stack.dir), ['tag', image.pin, image.name], { quiet: true })
    changed = true
  }
  return changed
}

/** Every container runs the image that it ran before. */
export async function requireImages(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<void> {
  const services = kept.images.map(image => image.service)
  const project = await readProject(ctx, stack, services)
  const now = await runningImages(ctx, stack, project)
  const differ = kept.images.filter(image => sorted(now.get(image.service) ?? []) !== sorted(image.running))
  if (differ.length > 0)
    throw new Failed({ code: 'images-differ', services: differ.map(image => image.service) })
}

/** `hostops/rollback/<project>-<service>:<runId>`, in the letters that the engine allows. */
export function pinName(project: string, service: string, runId: string): string {
  const name = `${project}-${service}`
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, between => (/^(\.|__?|-+)$/.test(between) ? between : '-'))
    .replace(/[^a-z0-9]+$/, '')
  return `hostops/rollback/${name}:${runId.replace(/[^A-Za-z0-9_.-]/g, '-').slice(0, 128)}`
}

async function runningImages(
  ctx: StepContext,
  stack: Stack,
  project: Project,
): Promise<Map<string, string[]>> {
  const names = project.services.map(service => service.name)
  const images = new Map<string, string[]>()
  for (const replica of await readReplicas(ctx, stack, project.name, names)) {
    images.set(replica.service, [...(images.get(replica.service) ?? []), replica.image])
  }
  return images
}

/** What the compose file says, else compose's own default, once compose has confirmed it: never guessed. */
async function imageName(ctx: StepContext, stack: Stack, project: string, service: Service): Promise<string> {
  const name = service.image ?? `${project}-${service.name}`
  const done = await compose(ctx, stack, ['config', '--images', service.name], LOOKING)
  if (done.stdout.split(/\r?\n/).includes(name)) return name
  const problem = `${name} is not among the images of service ${service.name}`
  throw new Failed({ code: 'output-unreadable', argv: composeArgv(stack, ['config', '--images']), problem })
}

async function imageId(ctx: StepContext, name: string): Promise<string | null> {
  const argv = ['docker', 'image', 'inspect', '--format', '{{.Id}}', name]
  const done = await ctx.exec({ argv, ...LOOKING })
  return done.code === 0 ? done.stdout.trim() : null
}

const sorted = (ids: readonly string[]) => [...ids].sort().join(' ')
