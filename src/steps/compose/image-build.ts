import * as z from 'zod'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { PlannedArg, StepContext, StepKind } from '../contract/step.ts'
import { composeEnv, LOOKING } from '../stack/commands.ts'
import { inFolder } from '../stack/paths.ts'
import { BUILDING, fileField, type Stack, servicesField, stackFields } from './compose.ts'
import { composeFailed } from './compose-error.ts'
import { survivingEngine } from './engine-away.ts'
import { diskFacts } from './facts.ts'
import { hasRegistryHost, imageField, repositoryOf, sameImageName } from './image-name.ts'
import { findStack, type KeptStack, keepImages, seeImages } from './image-pins.ts'
import { isFile, namedImages, sourceOf } from './image-source.ts'
import { bringsImages, keptFinding, nameFinding, sawImage } from './image-steps.ts'
import { imageIds } from './inspect-images.ts'
import { rebuildLost } from './lost.ts'
import { jsonOf, type Project, readProject } from './project.ts'
import { runningStack } from './running-stack.ts'

/** One word of a build arg: never an option, no `=`. */
const ARG = /^[A-Za-z_][A-Za-z0-9_]*$/
const argName = () => z.string().regex(ARG, 'the name of a build arg')

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    tag: imageField()
      .optional()
      .describe('The name that the image gets. Default: the one that the services use.'),
    context: fileField().default('.').describe('The folder that is built, absolute or relative to dir.'),
    file: fileField().optional().describe('Absolute or relative to dir. Default: Dockerfile in context.'),
    args: z
      .record(argName(), z.string().regex(/^[^\u0000]*$/, 'no NUL byte can be passed to a program'))
      .default({})
      .describe('Build args and their values. They are part of the image: nothing secret.'),
    argsFrom: z
      .array(argName())
      .default([])
      .describe('Build args whose values are those of the env files, where they are set there.'),
    pull: z.boolean().default(false).describe('Look for newer base images first.'),
    noCache: z.boolean().default(false).describe('Build everything again.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

/** For stacks whose compose file names an image and does not say how to build it. */
export const imageBuild: StepKind<With, KeptStack> = {
  uses: 'image.build',
  summary:
    'Builds the image that services use with a plain docker build; the ones that run now are kept for the way back.',
  schema,
  ...bringsImages,
  outputs: { changed: 'bool', project: 'string', image: 'string', imageId: 'string' },
  plan: {
    ...bringsImages.plan,
    commands: input => [
      {
        argv: buildArgv(input, input.tag ?? { unknown: 'the image that the services use' }),
        cwd: input.dir,
      },
    ],
  },
  act: {
    async snapshot(ctx, input) {
      const found = await findStack(ctx, input, input.services)
      await tagFor(ctx, input, found.files.project)
      return keepImages(ctx, found, 'reach')
    },
    async run(ctx, input, before) {
      // Read again: the tree is another one by now.
      const stack = before?.stack ?? (await runningStack(ctx, input, input.services))
      const project = await readProject(ctx, stack, input.services)
      const tag = await tagFor(ctx, input, project)
      requireKnownName(ctx, input, tag, before)
      for (const { text } of nameFinding(tag)) ctx.say(text)
      const old = await idOf(ctx, input, tag)
      await build(ctx, input, stack, tag)
      const [id, disk] = await Promise.all([idOf(ctx, input, tag), diskFacts(ctx, before?.disk ?? null)])
      sawImage(ctx, tag, old, id)
      // A step that is done again has moved the name already.
      const was = before?.images.find(image => sameImageName(image.name, tag))?.named
      const changed = id !== (was === undefined ? old : was)
      return {
        changed,
        outputs: { changed, project: project.name, image: tag, imageId: id },
        facts: { composeRebuilt: true, ...disk },
      }
    },
  },
  undo: {
    ...bringsImages.undo,
    readsFirst: true,
    reactivate: survivingEngine((ctx, input, before) =>
      rebuildLost(ctx, input, before, async services => {
        const stack = before?.stack ?? input
        const { reach } = await readProject(ctx, stack, services)
        const names = new Set(
          reach.flatMap(({ name, image }) => (services.includes(name) && image ? [image] : [])),
        )
        const [tag] = [...names].filter(name => input.tag === undefined || sameImageName(name, input.tag))
        if (tag === undefined) return []
        await build(ctx, input, stack, tag)
        return reach.flatMap(({ name, image }) => (image !== null && sameImageName(image, tag) ? [name] : []))
      }),
    ),
  },
  look: {
    async check(ctx, input) {
      const { project, images } = await seeImages(ctx, input, input.services, 'reach')
      const tag = await tagFor(ctx, input, project)
      return [
        { text: `${tag} would be built from ${dockerfileOf(input)}`, seen: { tag } },
        ...images.filter(({ name }) => sameImageName(name, tag)).map(keptFinding),
        ...nameFinding(tag),
      ]
    },
    async holds(ctx, input, { image, imageId }) {
      if (typeof image !== 'string' || (await idOf(ctx, input, image)) === imageId) return
      throw new Failed({ code: 'images-differ', services: [image] })
    },
  },
}

async function build(ctx: StepContext, input: With, stack: Stack, tag: string): Promise<void> {
  const env = await argsFromEnv(ctx, stack, input.argsFrom)
  const argv = buildArgv(input, tag, Object.keys(env)) as string[]
  const cwd = canonicalPath(input.dir)
  const done = await ctx.exec({ argv, cwd, ...BUILDING, env: { ...composeEnv(cwd), ...env } })
  if (done.code !== 0) throw composeFailed(cwd, 'build', done)
}

/** The name to build under; throws where no service would start what is built under it, or nothing can be built. */
async function tagFor(ctx: StepContext, input: With, { services, reach }: Project): Promise<string> {
  const dir = canonicalPath(input.dir)
  const refuse = async (image: string) =>
    new Failed({
      code: 'image-unused',
      dir,
      image,
      services: namedImages(services),
      instead: await sourceOf(ctx, input, services),
    })
  const names = [...new Set(services.flatMap(({ image }) => image ?? []))]
  const tag = input.tag ?? names[0]
  if (tag === undefined) throw await refuse('a plain docker build')
  if (input.tag === undefined && names.length > 1) {
    const problems = [
      `tag: the services use more than one image (${names.join(', ')}), so name the one to build`,
    ]
    throw new Failed({ code: 'step-input-invalid', step: ctx.stepId, problems })
  }
  if (!reach.some(({ image }) => image !== null && sameImageName(image, tag))) throw await refuse(tag)
  if (input.tag === undefined && hasRegistryHost(tag))
    throw new Failed({ code: 'image-of-registry', dir, image: tag })
  if (await isFile(ctx, dockerfileOf(input))) return tag
  const instead = await sourceOf(ctx, input, services)
  throw new Failed({
    code: 'nothing-to-build',
    dir,
    services: namedImages(services),
    instead,
    file: dockerfileOf(input),
  })
}

/** A tree could give its build the name of an image that other stacks start. */
function requireKnownName(ctx: StepContext, input: With, tag: string, before: KeptStack | null): void {
  const { services, tag: named } = input
  const known = (before?.images ?? [])
    .filter(({ service }) => services.length === 0 || services.includes(service))
    .map(({ name }) => repositoryOf(name))
  if (named !== undefined || known.length === 0 || known.includes(repositoryOf(tag))) return
  const problems = [
    `tag: the new version renames the image from ${known.join(', ')} to ${tag}; set tag to accept the new name`,
  ]
  throw new Failed({ code: 'step-input-invalid', step: ctx.stepId, problems })
}

const contextOf = (input: With) => canonicalPath(inFolder(canonicalPath(input.dir), input.context))
const dockerfileOf = (input: With) =>
  input.file === undefined ? `${contextOf(input)}/Dockerfile` : inFolder(canonicalPath(input.dir), input.file)

const idOf = async (ctx: StepContext, input: Stack, name: string) =>
  (await imageIds(ctx, input.dir, [name])).get(name) ?? null

/** Values of `argsFrom` reach docker through its environment, not through its arguments. */
function buildArgv(input: With, tag: PlannedArg, fromEnv: readonly string[] = input.argsFrom): PlannedArg[] {
  return [
    ...['docker', 'build', '-t', tag, '-f', dockerfileOf(input)],
    ...Object.entries(input.args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
    ...fromEnv.flatMap(name => ['--build-arg', name]),
    ...(input.pull ? ['--pull'] : []),
    ...(input.noCache ? ['--no-cache'] : []),
    contextOf(input),
  ]
}

/** As compose itself reads the env files of the stack: nothing here knows how they are quoted. */
async function argsFromEnv(
  ctx: StepContext,
  stack: Stack,
  names: readonly string[],
): Promise<Record<string, string>> {
  if (names.length === 0) return {}
  const dir = canonicalPath(stack.dir)
  if (!ctx.hasShell) throw new Failed({ code: 'env-file-unusable', path: dir, why: 'no-shell' })
  const asked = JSON.stringify({ services: { x: { image: 'x', environment: names } } })
  const envFiles = stack.envFiles.flatMap(name => ['--env-file', inFolder(dir, name)])
  const options = ['-p', 'x', '--project-directory', dir, ...envFiles]
  const argv = ['sh', '-c', RENDER, 'hostops-args', asked, ...options]
  const done = await ctx.exec({ argv, cwd: dir, ...LOOKING })
  if (done.code !== 0) throw composeFailed(dir, 'config', done)
  const read = renderedSchema().safeParse(jsonOf(done.stdout))
  if (!read.success)
    throw new Failed({
      code: 'output-unreadable',
      argv: ['docker', 'compose', 'config'],
      problem: 'no environment',
    })
  const values = Object.entries(read.data.services.x.environment)
  // Compose doubles each dollar, so that what it prints can be read again.
  return Object.fromEntries(
    values.flatMap(([name, value]) => (value === null ? [] : [[name, value.replaceAll('$$', '$')]])),
  )
}

const RENDER = `
asked=$1; shift
printf '%s' "$asked" | docker compose -f - "$@" config --format json
`
const renderedSchema = once(() =>
  z.object({
    services: z.object({ x: z.object({ environment: z.record(z.string(), z.string().nullable()) }) }),
  }),
)
