import * as z from 'zod'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext, StepKind } from '../contract/step.ts'
import { BUILDING, compose, composeArgv, loadable, servicesField, stackFields } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { diskFacts } from './facts.ts'
import { findStack, type KeptStack, keepImages, seeImages } from './image-pins.ts'
import { namedImages, sourceOf } from './image-source.ts'
import { bringsImages, keptFinding, nameFinding, sawImage } from './image-steps.ts'
import { imageIds } from './inspect-images.ts'
import { rebuildLost } from './lost.ts'
import { type Project, readProject, type Service } from './project.ts'
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
  summary:
    'Builds the images of services and of all that they depend on; the ones that run now are kept for the way back.',
  schema,
  ...bringsImages,
  outputs: { changed: 'bool', project: 'string', images: 'map' },
  plan: {
    ...bringsImages.plan,
    outlives: true,
    commands: input => {
      const what = { unknown: 'the services with build: that these depend on' }
      const more = input.services.length === 0 ? [] : [what]
      return [{ argv: [...composeArgv(input, buildArgs(input, input.services)), ...more], cwd: input.dir }]
    },
  },
  act: {
    async snapshot(ctx, input) {
      const found = await findStack(ctx, input, input.services)
      await toBuild(ctx, input, found.files.project)
      return keepImages(ctx, found, 'reach')
    },
    async run(ctx, input, before) {
      // Read again: the tree is another one by now.
      const stack = before?.stack ?? (await runningStack(ctx, input, input.services))
      const [project, foreign] = await Promise.all([
        readProject(ctx, stack, input.services),
        loadable(ctx, stack),
      ])
      const built = await toBuild(ctx, input, project)
      for (const { image } of built) for (const { text } of nameFinding(image ?? '')) ctx.say(text)
      const names = built.map(({ name }) => name)
      await compose(ctx, stack, buildArgs(input, names), BUILDING, foreign)
      const [images, disk] = await Promise.all([
        namedNow(ctx, input, project, built),
        diskFacts(ctx, before?.disk ?? null),
      ])
      const old = new Map(before?.images.map(image => [image.service, image.named]))
      const changed = Object.entries(images).some(([service, id]) => old.get(service) !== id)
      for (const [service, id] of Object.entries(images)) sawImage(ctx, service, old.get(service) ?? null, id)
      return {
        changed,
        outputs: { changed, project: project.name, images },
        facts: { composeRebuilt: true, ...disk },
      }
    },
  },
  undo: {
    ...bringsImages.undo,
    readsFirst: true,
    reactivate: survivingEngine((ctx, input, before) =>
      rebuildLost(ctx, input, before, async services => {
        const stack = { ...input, ...before?.stack }
        const { reach } = await readProject(ctx, stack, services)
        const built = reach.flatMap(({ name, builds }) => (builds && services.includes(name) ? [name] : []))
        if (built.length > 0) await compose(ctx, stack, ['build', ...built], BUILDING)
        return built
      }),
    ),
  },
  look: {
    async check(ctx, input) {
      const { images, project } = await seeImages(ctx, input, input.services, 'reach')
      const built = await toBuild(ctx, input, project)
      const isBuilt = (service: string) => built.some(({ name }) => name === service)
      return images
        .filter(({ service }) => isBuilt(service))
        .flatMap(image => [keptFinding(image), ...nameFinding(image.name)])
    },
    /** Only of what it has built: other names may have been pulled anew since. */
    async holds(ctx, input, { images }, before) {
      const old = new Map(before?.images.map(image => [image.service, image.named]))
      const reached = Object.entries((images ?? {}) as Record<string, string | null>)
      const moved = reached.filter(([service, id]) => old.get(service) !== id)
      if (moved.length === 0) return
      const stack = before?.stack ?? (await runningStack(ctx, input, input.services))
      const project = await readProject(ctx, stack, input.services)
      const now = await namedNow(ctx, input, project, project.reach)
      const differ = moved.flatMap(([service, id]) => (now[service] === id ? [] : [service]))
      if (differ.length > 0) throw new Failed({ code: 'images-differ', services: differ })
    },
  },
}

/** Everything buildable that `up` starts in the new tree: an old dependency must not run beside a new service. */
async function toBuild(ctx: StepContext, input: With, { services, reach }: Project): Promise<Service[]> {
  const built = reach.filter(({ builds }) => builds)
  // Where only a dependency is built, the services that are meant would stay what they are.
  if (services.some(({ builds }) => builds)) return built
  throw new Failed({
    code: 'nothing-to-build',
    dir: canonicalPath(input.dir),
    services: namedImages(services),
    instead: await sourceOf(ctx, input, services),
  })
}

/** Of the built tree, which may call its images otherwise than the one before. */
async function namedNow(
  ctx: StepContext,
  input: With,
  project: Project,
  services: readonly Service[],
): Promise<Record<string, string | null>> {
  const names = services.map(({ name, image }) => image ?? `${project.name}-${name}`)
  const ids = await imageIds(ctx, input.dir, names)
  return Object.fromEntries(services.map(({ name }, at) => [name, ids.get(names[at]!) ?? null]))
}

const buildArgs = (input: With, services: readonly string[]) => [
  'build',
  ...(input.pull ? ['--pull'] : []),
  ...(input.noCache ? ['--no-cache'] : []),
  ...services,
]
