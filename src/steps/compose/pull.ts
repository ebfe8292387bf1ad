import * as z from 'zod'
import type { Json } from '../../document/json.ts'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { CheckFinding, StepContext, StepKind } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { type Stack, servicesField, stackFields } from './compose.ts'
import { pullFailed } from './compose-error.ts'
import { survivingEngine } from './engine-away.ts'
import { diskFacts } from './facts.ts'
import { imageField, repositoryOf, sameImageName } from './image-name.ts'
import { findStack, type KeptStack, keepImages, seeImages } from './image-pins.ts'
import { namedImages, sourceOf } from './image-source.ts'
import { bringsImages, imagesBack, namesAsBefore, rehearseImages, sawImage } from './image-steps.ts'
import { imageIds } from './inspect-images.ts'
import { jsonOf, type Project, readProject, type Service } from './project.ts'
import { runningStack } from './running-stack.ts'

const schema = once(() =>
  z
    .strictObject({
      ...stackFields(),
      services: servicesField(),
      image: imageField()
        .optional()
        .describe('The image that the services must use by then: what env.set has written.'),
      variable: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable')
        .optional()
        .describe('The variable that brings image into the compose file; checked before anything changes.'),
    })
    .refine(({ image, variable }) => variable === undefined || image !== undefined, {
      path: ['image'],
      message: 'variable needs the image that it is set to',
    }),
)
type With = z.infer<ReturnType<typeof schema>>

/** The registry's name for exactly these bytes; null where the engine has none. */
type Snapshot = { kept: KeptStack; digests: Record<string, string | null> }

/** A step of its own before `compose.up`, because a pull that fails then costs no downtime. */
export const composePull: StepKind<With, Snapshot> = {
  uses: 'compose.pull',
  summary:
    'Pulls the images of services, before anything stops; the ones that run now are kept for the way back.',
  schema,
  timeoutMs: bringsImages.timeoutMs,
  outputs: { changed: 'bool', project: 'string', images: 'map' },
  plan: {
    ...bringsImages.plan,
    commands: input => [
      {
        argv: ['docker', 'pull', '--', input.image ?? { unknown: 'the image of each service' }],
        cwd: input.dir,
      },
    ],
  },
  act: {
    async snapshot(ctx, input) {
      await requireUsed(ctx, input)
      const kept = await keepImages(ctx, await findStack(ctx, input, input.services), 'named')
      const digests = await digestsOf(
        ctx,
        kept.images.map(({ name }) => name),
      )
      return {
        kept,
        digests: Object.fromEntries(
          kept.images.map(({ service, name }) => [service, digests.get(name) ?? null]),
        ),
      }
    },
    async run(ctx, input, before) {
      const stack = before?.kept.stack ?? (await runningStack(ctx, input, input.services))
      const project = await readProject(ctx, stack, input.services)
      const services = await toPull(ctx, input, project.services)
      // The compose file of the new tree, and the env file as it is by now.
      await requireImage(ctx, input, services)
      const wanted = new Map(services.map(each => [each.image!, each.platform]))
      const old = await imageIds(ctx, input.dir, [...wanted.keys()])
      for (const [name, platform] of wanted) await pull(ctx, input, name, platform)
      const [ids, digests, disk] = await Promise.all([
        imageIds(ctx, input.dir, [...wanted.keys()]),
        digestsOf(ctx, [...wanted.keys()]),
        diskFacts(ctx, before?.kept.disk ?? null),
      ])
      for (const name of wanted.keys()) sawImage(ctx, name, old.get(name) ?? null, ids.get(name) ?? null)
      const pulled = services.map(({ name, image }) => {
        const after = digests.get(image!) ?? null
        return { service: name, image: image!, before: before?.digests[name] ?? null, after }
      })
      const was = new Map(before?.kept.images.map(({ service, named }) => [service, named]))
      const changed = services.some(
        ({ name, image }) => (was.has(name) ? was.get(name) : old.get(image!)) !== ids.get(image!),
      )
      const images: Json = Object.fromEntries(
        services.map(({ name, image }) => [name, ids.get(image!) ?? null]),
      )
      return { changed, outputs: { changed, project: project.name, images }, facts: { pulled, ...disk } }
    },
  },
  undo: {
    restore: survivingEngine((ctx, input, before) => imagesBack(ctx, input, before.kept)),
    verify: survivingEngine((ctx, input, before) => namesAsBefore(ctx, input, before?.kept ?? null)),
    rehearse: (ctx, input, before) => rehearseImages(ctx, input, before.kept),
  },
  look: {
    async check(ctx, input) {
      await requireUsed(ctx, input)
      const { images } = await seeImages(ctx, input, input.services, 'named')
      const digests = await digestsOf(
        ctx,
        images.map(({ name }) => name),
      )
      return images.map(({ service, name, id }): CheckFinding => {
        const digest = digests.get(name) ?? null
        const now =
          id === null ? 'no image yet' : `${name} is ${digest ?? id.slice(7, 19)}, kept for a rollback`
        const next = input.image === undefined ? '' : `; ${input.image} would be pulled`
        return { text: `${service}: ${now}${next}`, seen: { service, id, digest } }
      })
    },
    async holds(ctx, input, { images }, before) {
      const reached = (images ?? {}) as Record<string, string | null>
      const stack = before?.kept.stack ?? (await runningStack(ctx, input, input.services))
      const { services } = await readProject(ctx, stack, input.services)
      const now = await imageIds(
        ctx,
        input.dir,
        services.flatMap(({ image }) => image ?? []),
      )
      const isThere = ({ name, image }: Service) =>
        !(name in reached) || now.get(image ?? '') === reached[name]
      const differ = services.filter(service => !isThere(service)).map(({ name }) => name)
      if (differ.length > 0) throw new Failed({ code: 'images-differ', services: differ })
    },
  },
}

/** Rendered as it will be once the variable is set: an image that no service starts is not worth a change. */
async function requireUsed(ctx: StepContext, input: With): Promise<void> {
  const env = input.variable === undefined ? undefined : { [input.variable]: input.image! }
  const stack = await runningStack(ctx, input, input.services)
  const { services } = await readProject(ctx, stack, input.services, env)
  await requireImage(ctx, input, await toPull(ctx, input, services))
}

async function requireImage(ctx: StepContext, input: With, services: readonly Service[]): Promise<void> {
  const { image, variable } = input
  if (image === undefined) return
  const uses = (service: Service) => sameImageName(service.image!, image)
  if (input.services.length > 0 ? services.every(uses) : services.some(uses)) return
  const source = await sourceOf(ctx, input, services)
  throw new Failed({
    code: 'image-unused',
    dir: canonicalPath(input.dir),
    image,
    services: namedImages(services),
    instead: source === 'registry' ? null : source,
    ...(variable === undefined ? {} : { variable }),
  })
}

/** What has a name; where all services are meant, those that are built are not pulled. */
async function toPull(ctx: StepContext, input: With, services: Project['services']): Promise<Service[]> {
  const named = services.filter(({ image }) => image !== null)
  const pulled = named.filter(({ builds }) => !builds || input.services.length > 0)
  if (pulled.length > 0) return pulled
  throw new Failed({
    code: 'nothing-to-pull',
    dir: canonicalPath(input.dir),
    services: namedImages(services),
    instead: await sourceOf(ctx, input, services),
  })
}

/** By docker, which fails where compose only warns: of a service that it could build as well. */
async function pull(ctx: StepContext, input: Stack, image: string, platform: string | null): Promise<void> {
  const argv = ['docker', 'pull', ...(platform === null ? [] : ['--platform', platform]), '--', image]
  const done = await ctx.exec({ argv, cwd: canonicalPath(input.dir), durable: true })
  if (done.code !== 0) throw pullFailed(canonicalPath(input.dir), image, done)
}

async function digestsOf(ctx: StepContext, names: readonly string[]): Promise<Map<string, string | null>> {
  const asked = [...new Set(names)]
  const found = await Promise.all(
    asked.map(async name => {
      const argv = ['docker', 'image', 'inspect', '--format', '{{json .RepoDigests}}', '--', name]
      const digests = jsonOf((await ctx.exec({ argv, ...LOOKING })).stdout)
      return [name, digestIn(digests, name)] as const
    }),
  )
  return new Map(found)
}

/** Pure. */
function digestIn(digests: unknown, name: string): string | null {
  const all = Array.isArray(digests) ? digests.filter(each => typeof each === 'string') : []
  const own = all.find(each => each.startsWith(`${repositoryOf(name)}@`)) ?? all[0]
  return own?.slice(own.indexOf('@') + 1) ?? null
}
