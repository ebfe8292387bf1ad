import * as z from 'zod'
import { durationSchema, timeLimitSchema } from '../../duration.ts'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { argv, canonicalPath } from '../contract/schema-fields.ts'
import { forField, msOf } from '../contract/standing.ts'
import type { PlannedCommand, StepContext, StepKind } from '../contract/step.ts'
import { changeOver, type How } from './change-over.ts'
import { checkUp } from './check-up.ts'
import { composeArgv, SERVICE, stackFields } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { diskFacts } from './facts.ts'
import { type KeptImage, seeImages } from './image-pins.ts'
import { imageIds } from './inspect-images.ts'
import { mountedDigests } from './mounted-files.ts'
import { upInSilence } from './progress.ts'
import { jsonOf, type Project, readRendered, readReplicas, withProfiles } from './project.ts'
import { renderStack } from './rendering.ts'
import {
  allowLossField,
  filesChanged,
  forceRecreateField,
  keepRollbacksField,
  type Replacement,
  reactivate,
  readReplacement,
  recreateStale,
  repaired,
  replacedResult,
  replacesContainers,
  type Snapshot,
} from './replace-containers.ts'
import { backArgs } from './restore-stack.ts'
import { bringBackBeside } from './rollout-back.ts'
import { runningStack } from './running-stack.ts'
import { sawReplicas } from './seen.ts'
import { isSound, isUp, type Replica } from './stability.ts'
import { maxRestartsField } from './standing-stack.ts'
import { trafficMover } from './traffic.ts'
import { whyNotTwice } from './twice.ts'

const schema = once(() =>
  z.strictObject({
    ...stackFields(),
    services: z
      .array(z.string().regex(SERVICE, 'the name of a service'))
      .min(1, 'the services that are rolled out; what they depend on is brought up before them')
      .describe(
        'The services that are rolled out. What they depend on is brought up before them, as by compose.up.',
      ),
    switch: argv()
      .optional()
      .describe(
        'Moves the traffic of one service to the new containers: run in dir, without a shell, once for each service, and again with both sides exchanged on the way back, so it must be safe to run twice. HOSTOPS_SERVICE names the service; HOSTOPS_NEW and HOSTOPS_OLD hold the names of the containers that are to serve and of those that are to go, HOSTOPS_NEW_IDS, HOSTOPS_NEW_ADDRESSES, HOSTOPS_OLD_IDS and HOSTOPS_OLD_ADDRESSES their ids and addresses, separated by spaces.',
      ),
    drain: durationSchema()
      .default('10s')
      .describe(
        'How long the old containers go on running after the switch, while the new ones are still watched.',
      ),
    timeout: timeLimitSchema()
      .default('120s')
      .describe('How long every new replica may take until it runs and is healthy.'),
    for: forField(),
    maxRestarts: maxRestartsField(),
    forceRecreate: forceRecreateField(),
    allowLoss: allowLossField(),
    keepRollbacks: keepRollbacksField(),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

const UP = ['up', '-d', '--no-build', '--pull', 'missing']

/** The old version is not touched before the new one has stood, and a rollback starts beside as well. */
export const composeRollout: StepKind<With, Snapshot> = {
  uses: 'compose.rollout',
  summary:
    'Starts the new version of services beside the old one, waits out the window, moves the traffic, lets the old one drain and removes it. For services without a fixed host port; others are refused.',
  schema,
  ...replacesContainers,
  plan: {
    ...replacesContainers.plan,
    commands: input => [
      { argv: [...composeArgv(input, UP), { unknown: 'the services that these depend on' }], cwd: input.dir },
      ...besideCommands(input, UP, 'the old containers'),
    ],
    undoCommands: input => besideCommands(input, backArgs([]), 'the new containers'),
  },
  act: {
    async snapshot(ctx, input) {
      const stack = await runningStack(ctx, input, input.services)
      const { project, rendered } = await readRendered(ctx, stack, input.services)
      const replicas = await readReplicas(ctx, stack, project.name, input.services)
      requireTwice(input, project, rendered, replicas)
      return replacesContainers.act.snapshot(ctx, input)
    },
    run: survivingEngine(async (ctx, input, before) => {
      const target = await readReplacement(ctx, input, before)
      const { stack, project, config, losses } = target
      requireTwice(input, config, target.rendered, target.found)
      const was = await repaired(ctx, target)
      const digests = await mountedDigests(ctx, stack, target.rendered)
      const images = before?.kept.images ?? []
      const found = await upDependencies(ctx, input, target, { images, was, digests })
      const known = new Set(before?.kept.containers ?? was.map(({ id }) => id))
      const isAsGiven = await asGiven(ctx, target)
      const isStale = (service: string) =>
        input.forceRecreate || images.some(each => each.service === service && filesChanged(each, digests))
      const isRolled = ({ service }: Replica) => input.services.includes(service)
      const oneShots = config.reach.flatMap(({ name, oneShot }) => (oneShot ? [name] : []))
      const sign = await changeOver(
        ctx,
        {
          ...{ stack, project, found, known },
          services: config.services.map(({ name, replicas }) => ({ name, replicas })),
          dependencies: config.reach.filter(({ name }) => !input.services.includes(name)),
          // Begun by this run, by an earlier attempt or runner: it goes on with what is sound of it.
          stays: each =>
            isAsGiven(each) && (known.has(each.id) ? isUp(each) && !isStale(each.service) : isSound(each)),
          stale: found.filter(each =>
            isRolled(each)
              ? !known.has(each.id) && isAsGiven(each) && !isSound(each)
              : oneShots.includes(each.service) && !isAsGiven(each),
          ),
        },
        {
          ...waitingOf(input),
          up: UP,
          moveTraffic: input.switch ? trafficMover(ctx, input, before?.kept ?? null) : null,
        },
      )
      const [now, disk] = await Promise.all([
        readReplicas(ctx, stack, project, null),
        diskFacts(ctx, before?.kept.disk ?? null),
      ])
      if (sign) ctx.standing.set(ctx.stepId, { ...sign, forMs: null })
      sawReplicas(ctx, now)
      return replacedResult(before, { was, now, disk, digests, losses })
    }),
  },
  undo: {
    ...replacesContainers.undo,
    reactivate: survivingEngine((ctx, input, before) =>
      reactivate(ctx, input, before, (ctx, from, there, kept) =>
        bringBackBeside(ctx, { ...input, ...waitingOf(input) }, kept, { from, there }),
      ),
    ),
  },
  look: {
    ...replacesContainers.look,
    async check(ctx, input) {
      const { project, rendered, replicas } = await seeImages(ctx, input, input.services, 'reach')
      const failure = soleFailure(input, project, rendered, replicas)
      const words = failure?.services.map(({ service, why }) => `${service} ${why}`) ?? []
      const findings = failure === null ? [] : [{ text: words.join(', '), seen: { soles: words }, failure }]
      return [...findings, ...(await checkUp(ctx, { ...input, removeOrphans: false }))]
    },
  },
}

const waitingOf = (input: With): Pick<How, 'forMs' | 'timeoutMs' | 'maxRestarts' | 'drainMs'> => ({
  forMs: msOf(input.for),
  timeoutMs: msOf(input.timeout)!,
  maxRestarts: input.maxRestarts,
  drainMs: msOf(input.drain)!,
})

function besideCommands(input: With, up: readonly string[], leaving: string): PlannedCommand[] {
  const scales = input.services.flatMap(name => [
    '--scale',
    { unknown: `${name}=N: its containers and as many new ones` },
  ])
  return [
    {
      argv: [...composeArgv(input, [...up, '--no-recreate']), ...scales, ...input.services],
      cwd: input.dir,
    },
    ...(input.switch ? [{ argv: input.switch, cwd: input.dir }] : []),
    { argv: ['docker', 'stop', { unknown: leaving }] },
    { argv: ['docker', 'rm', { unknown: leaving }] },
  ]
}

/** Null: each of them can. */
function soleFailure({ dir }: With, { services }: Project, rendered: string, running: readonly Replica[]) {
  const config = jsonOf(rendered)
  const soles = services.flatMap(service =>
    whyNotTwice(config, service, running).map(why => ({ service: service.name, why })),
  )
  return soles.length === 0
    ? null
    : ({ code: 'cannot-run-twice', dir: canonicalPath(dir), services: soles } as const)
}

function requireTwice(...given: Parameters<typeof soleFailure>): void {
  const failure = soleFailure(...given)
  if (failure !== null) throw new Failed(failure)
}

/** As `compose.up` does, but for those that end on their own: the new replicas wait for these. */
async function upDependencies(
  ctx: StepContext,
  input: With,
  target: Replacement,
  seen: { images: readonly KeptImage[]; was: readonly Replica[]; digests: ReadonlyMap<string, string> },
): Promise<readonly Replica[]> {
  const { stack, project, config } = target
  const names = config.reach.flatMap(({ name, oneShot }) =>
    oneShot || input.services.includes(name) ? [] : [name],
  )
  if (names.length === 0) return seen.was
  await upInSilence(ctx, stack, [...UP, ...names])
  const images = seen.images.filter(({ service }) => names.includes(service))
  await recreateStale(ctx, target, 'missing', { ...seen, images })
  return readReplicas(ctx, stack, project, null)
}

/** Whether a container is what the files give now, by Compose's own measure, from the image that its name means now. */
async function asGiven(ctx: StepContext, { stack, project, config }: Replacement) {
  const { reach } = config
  const names = new Map(reach.map(({ name, image }) => [name, image ?? `${project}-${name}`]))
  const wanted = reach.map(({ name }) => name)
  const [{ hashes }, ids] = await Promise.all([
    renderStack(ctx, withProfiles(stack, wanted)),
    imageIds(ctx, stack.dir, [...names.values()]),
  ])
  return ({ service, config, image }: Replica) =>
    hashes.get(service) === config && ids.get(names.get(service) ?? '') === image
}
