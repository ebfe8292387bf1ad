import * as z from 'zod'
import { compose, composeArgv, servicesField, stackFacts, stackFields, stackLock } from './compose.ts'
import { stackEvidence } from './compose-evidence.ts'
import { type KeptStack, keepImages, putImagesBack, requireImages, seeImages } from './compose-images.ts'
import { readProject, readReplicas } from './compose-project.ts'
import { once } from './once.ts'
import { fingerprint } from './stability.ts'
import type { Json, StepContext, StepKind } from './step.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: servicesField(),
    pull: z
      .enum(['missing', 'always', 'never'])
      .default('missing')
      .describe('When to pull images that are not built here. A rollback never pulls.'),
    forceRecreate: z.boolean().default(false).describe('Replace containers that need no replacing, too.'),
    removeOrphans: z
      .boolean()
      .default(false)
      .describe('Remove containers of services that the compose file no longer has.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>
type Snapshot = { kept: KeptStack; containers: string }

/** Its exit code says nothing about the stack; `compose.wait` and `health.poll` do. */
export const composeUp: StepKind<With, Snapshot> = {
  uses: 'compose.up',
  summary:
    'Starts and replaces containers, without building. Whether they stand is for compose.wait and health.poll.',
  get schema() {
    return schema()
  },
  outputs: { changed: 'bool', containers: 'list' },
  timeoutMs: 15 * 60_000,
  effect: () => 'disrupt',
  repeatable: () => true,
  about: stackFacts,
  locks: input => [stackLock(input)],
  commands: input => [{ argv: composeArgv(input, upArgs(input)), cwd: input.dir }],
  undoCommands: input => [{ argv: composeArgv(input, backArgs(input)), cwd: input.dir }],
  async check(ctx, input) {
    const { images } = await seeImages(ctx, input, input.services)
    return images.map(({ service, running }) => ({
      text: `${service}: ${running.length === 0 ? 'no container yet, rollback: none available' : `${running.length} running or stopped`}`,
      seen: { service, running },
    }))
  },
  async snapshot(ctx, input) {
    const kept = await keepImages(ctx, input, input.services)
    return { kept, containers: (await look(ctx, input)).print }
  },
  async run(ctx, input, before) {
    const was = before?.containers ?? (await look(ctx, input)).print
    // Cut off half-way it would leave the old container stopped and the new one not started.
    await compose(ctx, input, upArgs(input), { durable: true })
    const { print, containers } = await look(ctx, input)
    return {
      changed: print !== was,
      outputs: { changed: print !== was, containers },
    }
  },
  evidence: stackEvidence,
  /** For stacks whose images are pulled and not built: nobody else puts their names back. */
  async restore(ctx, input, before) {
    return { changed: await putImagesBack(ctx, input, before.kept) }
  },
  async reactivate(ctx, input) {
    const was = await look(ctx, input)
    await compose(ctx, input, backArgs(input), { durable: true })
    return { changed: (await look(ctx, input)).print !== was.print }
  },
  async verify(ctx, input, before) {
    if (before !== null) await requireImages(ctx, input, before.kept)
    return { changed: false }
  },
}

const upArgs = (input: With) => [
  'up',
  '-d',
  '--no-build',
  ...['--pull', input.pull],
  ...(input.forceRecreate ? ['--force-recreate'] : []),
  ...(input.removeOrphans ? ['--remove-orphans'] : []),
  ...input.services,
]

const backArgs = (input: With) => ['up', '-d', '--no-build', '--pull', 'never', ...input.services]

async function look(ctx: StepContext, input: With) {
  const project = await readProject(ctx, input, input.services)
  const services = project.services.map(service => service.name)
  const now = await readReplicas(ctx, input, project.name, services)
  const containers: Json[] = now.map(({ name, service, image, status }) => ({ name, service, image, status }))
  return { print: fingerprint(now), containers }
}
