import * as z from 'zod'
import { Failed } from '../../failure.ts'
import { once } from '../command/once.ts'
import type { PlannedCommand, StepContext, StepKind } from '../step.ts'
import { compose, composeArgv, servicesField, stackFacts, stackFields, stackLock } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { diskFacts } from './facts.ts'
import { imageIds, type KeptStack, keepImages, missingPins, putImagesBack, seeImages } from './images.ts'
import { missingFinding, rebuildLost } from './lost.ts'
import { jsonOf, type Project, readProject, readRendered } from './project.ts'
import { runningStack } from './running-stack.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    pull: z.boolean().default(false).describe('Look for newer base images first.'),
    noCache: z.boolean().default(false).describe('Build everything again.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

/** A step of its own before `compose.up`, because a build that fails then costs no downtime. */
export const composeBuild: StepKind<With, KeptStack> = {
  uses: 'compose.build',
  summary: 'Builds the images of services; the ones that run now are kept for the way back.',
  get schema() {
    return schema()
  },
  outputs: { changed: 'bool', images: 'map' },
  timeoutMs: 30 * 60_000,
  effect: () => 'write',
  repeatable: () => true,
  about: stackFacts,
  locks: input => [stackLock(input)],
  commands: input => [{ argv: composeArgv(input, buildArgs(input)), cwd: input.dir }],
  undoCommands: (): PlannedCommand[] => [
    { argv: ['docker', 'tag', { unknown: 'the image kept before the build' }, { unknown: 'its name' }] },
  ],
  async check(ctx, input) {
    const { images } = await seeImages(ctx, input, input.services, 'named')
    return images.map(({ service, name, id }) => ({
      text: `${service}: ${id === null ? 'no image yet, rollback: none available' : `${name} is ${id.slice(7, 19)}, kept for a rollback`}`,
      seen: { service, id },
    }))
  },
  snapshot: async (ctx, input) => (await keepImages(ctx, input, input.services, 'named')).kept,
  async run(ctx, input, before) {
    // A build outlives its caller: half an image is no harm, but an hour of work is not thrown away.
    const stack = before?.stack ?? (await runningStack(ctx, input, input.services))
    const building = compose(ctx, stack, buildArgs(input), { durable: true })
    // The tree is what it is by now, and reading it takes long. A build that fails is the news.
    const [built, read] = await Promise.allSettled([building, readProject(ctx, stack, input.services)])
    if (built.status === 'rejected') throw built.reason
    if (read.status === 'rejected') throw read.reason
    const [images, disk] = await Promise.all([
      namedNow(ctx, input, read.value),
      diskFacts(ctx, before?.disk ?? null),
    ])
    const old = new Map(before?.images.map(image => [image.service, image.named]))
    const changed = Object.entries(images).some(([service, id]) => old.get(service) !== id)
    return { changed, outputs: { changed, images }, facts: { composeRebuilt: true, ...disk } }
  },
  /** Only of what it has built: other names may have been pulled anew since. */
  async holds(ctx, input, { images }, before) {
    const old = new Map(before?.images.map(image => [image.service, image.named]))
    const reached = Object.entries((images ?? {}) as Record<string, string | null>)
    const built = reached.filter(([service, id]) => old.get(service) !== id)
    if (built.length === 0) return
    const stack = before?.stack ?? (await runningStack(ctx, input, input.services))
    const now = await namedNow(ctx, input, await readProject(ctx, stack, input.services))
    const differ = built.flatMap(([service, id]) => (now[service] === id ? [] : [service]))
    if (differ.length > 0) throw new Failed({ code: 'images-differ', services: differ })
  },
  async restore(ctx, input, before) {
    return { changed: await putImagesBack(ctx, input, before) }
  },
  reactivate: (ctx, input, before) =>
    rebuildLost(ctx, input, before, async services => {
      const stack = before?.stack ? { ...input, ...before.stack } : input
      const { rendered } = await readRendered(ctx, stack, services)
      const built = services.filter(name => buildsIn(rendered, name))
      if (built.length > 0) await compose(ctx, stack, ['build', ...built], { durable: true })
      return built
    }),
  async rehearse(ctx, input, before) {
    const missing = missingFinding(await missingPins(ctx, input, before), [])
    return [missing ?? { text: 'the images before the build are kept', seen: null }]
  },
}
survivingEngine(composeBuild, ['restore', 'reactivate', 'verify'])

const buildsIn = (rendered: string, service: string) =>
  (jsonOf(rendered) as { services?: Record<string, { build?: unknown }> } | null)?.services?.[service]
    ?.build !== undefined

/** Of the built tree, which may call its images otherwise than the one before. */
async function namedNow(
  ctx: StepContext,
  input: With,
  project: Project,
): Promise<Record<string, string | null>> {
  const names = project.services.map(({ name, image }) => image ?? `${project.name}-${name}`)
  const ids = await imageIds(ctx, input.dir, names)
  return Object.fromEntries(project.services.map(({ name }, at) => [name, ids.get(names[at]!) ?? null]))
}

const buildArgs = (input: With) => [
  'build',
  ...(input.pull ? ['--pull'] : []),
  ...(input.noCache ? ['--no-cache'] : []),
  ...input.services,
]
