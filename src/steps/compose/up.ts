import * as z from 'zod'
import { Failed, type Loss } from '../../failure.ts'
import { once } from '../command/once.ts'
import { forField, longestFor, msOf, oldForField, stand } from '../standing.ts'
import type { Facts, Json, StepContext, StepKind } from '../step.ts'
import { requireAsBefore } from './as-before.ts'
import { backArgs, bringBack } from './back.ts'
import { requireBuilt } from './built.ts'
import { checkUp } from './check.ts'
import { composeArgv, type Stack, servicesField, stackFacts, stackFields, stackLock } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { stackEvidence } from './evidence.ts'
import { diskFacts, serviceFacts } from './facts.ts'
import { holdImages } from './holders.ts'
import { IMAGE_NAMES } from './image-steps.ts'
import { type KeptImage, type KeptStack, missingPins, putImagesBack } from './images.ts'
import { missingFiles } from './keep.ts'
import { holdingsOf, keepStack, lossesOf } from './keep-stack.ts'
import { missingFinding, notePins, orRebuilt, sayLost, withStandIns } from './lost.ts'
import { mountedDigests } from './mounted-files.ts'
import { upInSilence } from './progress.ts'
import { jsonOf, readProject, readRendered, readReplicas } from './project.ts'
import { repair } from './repair.ts'
import { runningStack } from './running-stack.ts'
import { sawReplicas } from './seen.ts'
import { fingerprint, type Replica } from './stability.ts'
import { maxRestartsField, startedSign } from './standing-stack.ts'
import { forgetOld } from './tidy.ts'

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
    allowLoss: z
      .boolean()
      .default(false)
      .describe(
        'Replace containers also where the new ones lack a mount, port, network, variable or secret that they have.',
      ),
    keepRollbacks: z
      .int()
      .min(1)
      .max(100)
      .default(5)
      .describe(
        'For how many runs the images and files of the way back are kept; older ones go after a good end.',
      ),
    for: forField(),
    watch: oldForField(),
    maxRestarts: maxRestartsField(),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

type Snapshot = { kept: KeptStack; containers: string }

const LOOK_AGAIN_MS = 1000
/** Left for saying what happened. */
const RESERVE_MS = 5000

/** Its exit code says nothing about the stack; the look afterwards, `compose.wait` and `health.poll` do. */
export const composeUp: StepKind<With, Snapshot> = {
  uses: 'compose.up',
  summary:
    'Starts and replaces containers, without building, and sees at once what dies or gets unhealthy. The window is waited out by a compose.wait or health.poll behind it, else here.',
  get schema() {
    return schema()
  },
  outputs: { changed: 'bool', containers: 'list' },
  timeoutMs: 15 * 60_000,
  effect: () => 'disrupt',
  repeatable: () => true,
  about: stackFacts,
  locks: input => [stackLock(input)],
  touches: () => IMAGE_NAMES,
  commands: input => [{ argv: composeArgv(input, upArgs(input)), cwd: input.dir }],
  undoCommands: input => [{ argv: composeArgv(input, backArgs(input.services)), cwd: input.dir }],
  check: checkUp,
  async snapshot(ctx, input) {
    const { kept, replicas } = await keepStack(ctx, input)
    return { kept, containers: fingerprint(replicas) }
  },
  async run(ctx, input, before) {
    const stack = before?.kept.stack ?? (await runningStack(ctx, input, input.services))
    const reading = readRendered(ctx, stack, input.services)
    const project = before?.kept.project ?? (await reading).project.name
    const [found, { project: target, rendered }] = await Promise.all([
      readReplicas(ctx, stack, project, null, before?.kept.containers),
      reading,
    ])
    // The tree may have brought another name along: compose would leave the old containers running beside the new.
    if (target.name !== project)
      throw new Failed({ code: 'project-renamed', dir: input.dir, before: project, now: target.name })
    requireBuilt(ctx, input.dir, target)
    const [losses, digests] = await Promise.all([
      lossesNow(ctx, input, before?.kept ?? null, { found, rendered }),
      mountedDigests(ctx, stack, rendered),
    ])
    const { repaired } = await repair(ctx, stack, project, found)
    const was = repaired ? await readReplicas(ctx, stack, project, null) : found
    await upInSilence(ctx, stack, upArgs(input))
    await recreateStale(ctx, stack, input, { kept: before?.kept ?? null, was, digests })
    const [now, disk] = await Promise.all([
      watch(ctx, { ...input, ...stack }, project, was),
      diskFacts(ctx, before?.kept.disk ?? null),
    ])
    sawReplicas(ctx, now)
    const changed = fingerprint(now) !== (before?.containers ?? fingerprint(was))
    const containers: Json[] = now.map(({ name, service, image, status }) => ({
      name,
      service,
      image,
      status,
    }))
    const lossFacts = losses.length > 0 ? { lost: losses } : {}
    return {
      changed,
      outputs: { changed, containers },
      facts: { ...factsOf(before, now, disk, digests), ...lossFacts },
    }
  },
  async holds(ctx, input, { containers }, before) {
    const reached = (Array.isArray(containers) ? containers : []) as { service: string; image: string }[]
    const stack = before?.kept.stack ?? (await runningStack(ctx, input, input.services))
    const project = before?.kept.project ?? (await readProject(ctx, stack, input.services)).name
    const now = await readReplicas(ctx, input, project, null)
    const services = [...new Set(reached.map(({ service }) => service))]
    const differ = services.filter(name => imagesIn(reached, name) !== imagesIn(now, name))
    if (differ.length > 0) throw new Failed({ code: 'images-differ', services: differ })
  },
  evidence: (ctx, input, before) =>
    stackEvidence(ctx, { ...input, ...before?.kept.stack }, before?.kept ?? null),
  /** For stacks whose images are pulled and not built: nobody else puts their names back. */
  async restore(ctx, input, before) {
    return { changed: await putImagesBack(ctx, input, before.kept) }
  },
  async reactivate(ctx, input, before) {
    if (before === null) {
      await upInSilence(ctx, input, backArgs(input.services))
      return { changed: true }
    }
    const kept = await withStandIns(ctx, input, before.kept)
    const { changed, leftBehind } = await bringBack(ctx, before.kept.stack ?? input, kept)
    return { changed, facts: leftBehind.length > 0 ? { leftBehind } : {} }
  },
  async verify(ctx, input, before) {
    if (before === null) return { changed: false }
    const [now, disk] = await Promise.all([
      requireAsBefore(ctx, before.kept.stack ?? input, before.kept).catch(error =>
        orRebuilt(ctx, input, before.kept, error),
      ),
      diskFacts(ctx, before.kept.disk),
    ])
    // Other containers than before the run: the host was changed, and is back.
    return { changed: fingerprint(now) !== before.containers, facts: factsOf(before, now, disk) }
  },
  tidy: (ctx, input, before, takenBack) => forgetOld(ctx, before.kept, input.keepRollbacks, takenBack),
  async rehearse(ctx, input, before) {
    const [pins, files] = await Promise.all([
      missingPins(ctx, input, before.kept),
      missingFiles(ctx, before.kept),
    ])
    const missing = missingFinding(pins, files)
    if (missing !== null) return [missing]
    const images = before.kept.images.filter(image => image.running.length > 0)
    const what =
      images.length === 0
        ? 'nothing ran before'
        : images.map(each => `${each.service} ${each.pin}`).join(', ')
    return [{ text: `kept: ${what}`, seen: null }]
  },
  async observe(ctx, input, { kept }, ended) {
    const told = notePins(ctx, kept).then(() => sayLost(ctx, kept))
    await Promise.allSettled([holdImages(ctx, input, kept, ended), told])
    return {}
  },
}
survivingEngine(composeUp, ['run', 'restore', 'reactivate', 'verify'])

/** Of all replicas of a service. */
const imagesIn = (all: readonly { service: string; image: string }[], name: string) =>
  all
    .flatMap(({ service, image }) => (service === name ? [image] : []))
    .sort()
    .join(' ')

const upArgs = (input: With) => [
  'up',
  '-d',
  '--no-build',
  ...['--pull', input.pull],
  ...(input.forceRecreate ? ['--force-recreate'] : []),
  ...(input.removeOrphans ? ['--remove-orphans'] : []),
  ...input.services,
]

/** Throws when something that `up` has started breaks down. A later step that waits for it waits the window out. */
async function watch(
  ctx: StepContext,
  input: With,
  project: string,
  was: readonly Replica[],
): Promise<readonly Replica[]> {
  const forMs = msOf(input.for ?? input.watch)
  const sign = startedSign({ stack: input, project, forMs, maxRestarts: input.maxRestarts }, was)
  const names = was.map(({ name }) => name)
  const now = await readReplicas(ctx, input, project, null, names)
  if (fingerprint(now) === fingerprint(was)) return now
  if (forMs === 0) {
    ctx.standing.set(ctx.stepId, sign)
    return now
  }
  const timeoutMs = Math.max(0, ctx.remainingMs() - longestFor([sign]) - RESERVE_MS)
  await stand(ctx, sign, { timeoutMs, intervalMs: LOOK_AGAIN_MS })
  return sign.latest()
}

/** Refused, unless the tree's own change took it away: then the report tells of it. */
async function lossesNow(
  ctx: StepContext,
  input: With,
  kept: KeptStack | null,
  { found, rendered }: { found: readonly Replica[]; rendered: string },
): Promise<Loss[]> {
  if (kept === null) return []
  const losses = lossesOf(await holdingsOf(ctx, kept.images, found), jsonOf(rendered))
  const meant = ({ service, what }: Loss) =>
    kept.images.some(image => image.service === service && image.has?.some(has => has.what === what))
  const unmeant = losses.filter(loss => !meant(loss))
  if (unmeant.length > 0 && !input.allowLoss)
    throw new Failed({ code: 'would-lose', dir: input.dir, losses: unmeant })
  if (losses.length > 0)
    ctx.say(`not in the new version: ${losses.map(({ service, what }) => `${service} ${what}`).join(', ')}`)
  return losses
}

/** Containers that `up` has left alone although a file of the tree that they mount is another one now. */
async function recreateStale(
  ctx: StepContext,
  stack: Stack,
  input: With,
  seen: { kept: KeptStack | null; was: readonly Replica[]; digests: ReadonlyMap<string, string> },
): Promise<void> {
  const changed = seen.kept?.images.filter(image => filesChanged(image, seen.digests)) ?? []
  if (changed.length === 0) return
  const now = await readReplicas(
    ctx,
    stack,
    seen.kept!.project,
    changed.map(image => image.service),
  )
  const stale = now.filter(each => seen.was.some(({ id }) => id === each.id)).map(each => each.service)
  if (stale.length === 0) return
  const services = [...new Set(stale)]
  ctx.say(`${services.join(', ')}: mounted files have changed, so the containers are replaced`)
  await upInSilence(ctx, stack, [
    'up',
    '-d',
    '--no-build',
    '--pull',
    input.pull,
    '--force-recreate',
    ...services,
  ])
}

const filesChanged = ({ service, files, running }: KeptImage, digests: ReadonlyMap<string, string>) =>
  files !== undefined && running.length > 0 && files !== (digests.get(service) ?? null)

function factsOf(
  before: Snapshot | null,
  now: readonly Replica[],
  disk: Facts,
  digests?: ReadonlyMap<string, string>,
): Facts {
  if (before === null) return {}
  const { images, notOurs } = before.kept
  const made = now.map(replica => replica.service).filter(name => !notOurs.includes(name))
  const names = [...new Set([...images.map(image => image.service), ...made])]
  const differs = (name: string) => {
    const image = images.find(each => each.service === name)
    return image !== undefined && digests !== undefined && filesChanged(image, digests)
  }
  return { services: serviceFacts(images, now, names, differs), ...disk }
}
