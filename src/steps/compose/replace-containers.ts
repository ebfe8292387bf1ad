/** What `compose.up` and `compose.rollout` share: the state that they keep, and all of a rollback but how containers return. */
import * as z from 'zod'
import type { Json } from '../../document/json.ts'
import { Failed, type Loss } from '../../failure.ts'
import type { Facts, StepContext, StepKind, StepResult } from '../contract/step.ts'
import { requireAsBefore } from './as-before.ts'
import { requireBuilt } from './built.ts'
import { loadable, type Stack, stackFacts, stackLock } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { stackEvidence } from './evidence.ts'
import { diskFacts, serviceFacts } from './facts.ts'
import type { Foreign } from './foreign.ts'
import { holdImages } from './holders.ts'
import { type KeptImage, type KeptStack, missingPins, putImagesBack } from './image-pins.ts'
import { IMAGE_NAMES } from './image-steps.ts'
import { holdingsOf, keepStack, lossesOf } from './keep-stack.ts'
import { missingFinding, notePins, orRebuilt, sayLost } from './lost.ts'
import type { Possession } from './possessions.ts'
import { upInSilence } from './progress.ts'
import { jsonOf, type Project, readProject, readRendered, readReplicas } from './project.ts'
import { repair } from './repair.ts'
import { type Bring, backArgs, bringBack } from './restore-stack.ts'
import { runningStack } from './running-stack.ts'
import { missingFiles } from './saved-files.ts'
import { fingerprint, type Replica } from './stability.ts'
import { forgetOld } from './tidy.ts'

export const forceRecreateField = () =>
  z.boolean().default(false).describe('Replace containers that need no replacing, too.')
export const allowLossField = () =>
  z
    .boolean()
    .default(false)
    .describe(
      'Replace containers also where the new ones lack a mount, port, network, variable or secret that they have.',
    )
export const keepRollbacksField = () =>
  z
    .int()
    .min(1)
    .max(100)
    .default(5)
    .describe(
      'For how many runs the images and files of the way back are kept; older ones go after a good end.',
    )

type Given = Stack & { services: readonly string[]; allowLoss: boolean; keepRollbacks: number }
export type Snapshot = { kept: KeptStack; containers: string }

type Kind = StepKind<Given, Snapshot>

export const replacesContainers = {
  outputs: { changed: 'bool', containers: 'list' },
  timeoutMs: 15 * 60_000,
  plan: {
    effect: () => 'disrupt',
    outlives: true,
    repeatable: () => true,
    about: stackFacts,
    locks: input => [stackLock(input)],
    touches: () => IMAGE_NAMES,
  },
  act: {
    async snapshot(ctx, input) {
      const { kept, replicas } = await keepStack(ctx, input)
      return { kept, containers: fingerprint(replicas) }
    },
  },
  undo: {
    /** For stacks whose images are pulled and not built: nobody else puts their names back. */
    restore: survivingEngine(async (ctx, input, before) => {
      return { changed: await putImagesBack(ctx, input, before.kept) }
    }),
    readsFirst: true,
    reactivate: survivingEngine((ctx, input, before) => reactivate(ctx, input, before)),
    verify: survivingEngine(async (ctx, input, before) => {
      if (before === null) return { changed: false }
      const [now, disk] = await Promise.all([
        requireAsBefore(ctx, before.kept.stack ?? input, before.kept).catch(error =>
          orRebuilt(ctx, input, before.kept, error),
        ),
        diskFacts(ctx, before.kept.disk),
      ])
      // Other containers than before the run: the host was changed, and is back.
      return { changed: fingerprint(now) !== before.containers, facts: factsOf(before, now, disk) }
    }),
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
  },
  look: {
    async holds(ctx, input, { containers }, before) {
      const reached = (Array.isArray(containers) ? containers : []) as { service: string; image: string }[]
      const stack = before?.kept.stack ?? (await runningStack(ctx, input, input.services))
      const project = before?.kept.project ?? (await readProject(ctx, stack, input.services)).name
      const now = await readReplicas(ctx, input, project, null)
      const services = [...new Set(reached.map(({ service }) => service))]
      const differ = services.filter(name => imagesIn(reached, name) !== imagesIn(now, name))
      if (differ.length > 0) throw new Failed({ code: 'images-differ', services: differ })
    },
    evidence: (ctx, input, before, because) =>
      stackEvidence(ctx, { ...input, ...before?.kept.stack }, before?.kept ?? null, because),
    async observe(ctx, input, { kept }, ended) {
      const held = holdImages(ctx, input, kept).then(async release => {
        await Promise.all([sayLost(ctx, kept).catch(() => {}), until(ended)])
        await release()
      })
      await Promise.allSettled([held, notePins(ctx, kept)])
      return {}
    },
  },
} satisfies Pick<Kind, 'outputs' | 'timeoutMs' | 'undo' | 'look'> & {
  plan: Omit<Kind['plan'], 'commands'>
  act: Omit<Kind['act'], 'run'>
}

/** `bring`: how the containers return, where they are not replaced in their places. */
export async function reactivate(
  ctx: StepContext,
  input: Given,
  before: Snapshot | null,
  bring?: Bring,
): Promise<StepResult> {
  if (before === null) {
    await ctx.evidenceKept
    await upInSilence(ctx, input, backArgs(input.services))
    return { changed: true }
  }
  const { changed, leftBehind } = await bringBack(ctx, before.kept.stack ?? input, before.kept, bring)
  return { changed, facts: leftBehind.length > 0 ? { leftBehind } : {} }
}

/** What the files give now, and what runs. */
export type Replacement = {
  stack: Stack
  project: string
  config: Project
  rendered: string
  found: Replica[]
  losses: Loss[]
  foreign: Foreign
}

/** Throws where what runs must not be replaced by that. */
export async function readReplacement(
  ctx: StepContext,
  input: Given,
  before: Snapshot | null,
): Promise<Replacement> {
  const stack = before?.kept.stack ?? (await runningStack(ctx, input, input.services))
  const reading = readRendered(ctx, stack, input.services)
  const project = before?.kept.project ?? (await reading).project.name
  const look = async () => {
    const found = await readReplicas(ctx, stack, project, null, before?.kept.containers)
    return { found, holdings: await holdingsOf(ctx, before?.kept.images ?? [], found) }
  }
  const [{ found, holdings }, { project: config, rendered }, foreign] = await Promise.all([
    look(),
    reading,
    loadable(ctx, stack),
  ])
  // The tree may have brought another name along: compose would leave the old containers running beside the new.
  if (config.name !== project)
    throw new Failed({ code: 'project-renamed', dir: input.dir, before: project, now: config.name })
  requireBuilt(ctx, input.dir, config)
  const losses = lossesNow(ctx, input, before?.kept ?? null, { holdings, rendered })
  return { stack, project, config, rendered, found, losses, foreign }
}

/** The containers, once an interrupted replacement has been repaired. */
export async function repaired(ctx: StepContext, { stack, project, found }: Replacement): Promise<Replica[]> {
  const { repaired } = await repair(ctx, stack, project, found)
  return repaired ? readReplicas(ctx, stack, project, null) : found
}

/** Refused, unless the tree's own change took it away: then the report tells of it. */
function lossesNow(
  ctx: StepContext,
  input: Given,
  kept: KeptStack | null,
  { holdings, rendered }: { holdings: ReadonlyMap<string, Possession[]>; rendered: string },
): Loss[] {
  if (kept === null) return []
  const losses = lossesOf(holdings, jsonOf(rendered))
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
export async function recreateStale(
  ctx: StepContext,
  { stack, project }: Pick<Replacement, 'stack' | 'project'>,
  pull: string,
  seen: { images: readonly KeptImage[]; was: readonly Replica[]; digests: ReadonlyMap<string, string> },
): Promise<void> {
  const changed = seen.images.filter(image => filesChanged(image, seen.digests))
  if (changed.length === 0) return
  const names = changed.map(image => image.service)
  const now = await readReplicas(ctx, stack, project, names)
  const stale = now.filter(each => seen.was.some(({ id }) => id === each.id)).map(each => each.service)
  if (stale.length === 0) return
  const services = [...new Set(stale)]
  ctx.say(`${services.join(', ')}: mounted files have changed, so the containers are replaced`)
  await upInSilence(ctx, stack, ['up', '-d', '--no-build', '--pull', pull, '--force-recreate', ...services])
}

export const filesChanged = (
  { service, files, running }: KeptImage,
  digests: ReadonlyMap<string, string>,
): boolean => files !== undefined && running.length > 0 && files !== (digests.get(service) ?? null)

/** Pure. */
export function replacedResult(
  before: Snapshot | null,
  seen: {
    was: readonly Replica[]
    now: readonly Replica[]
    disk: Facts
    digests: ReadonlyMap<string, string>
    losses: Loss[]
  },
): StepResult {
  const { was, now, disk, digests, losses } = seen
  const changed = fingerprint(now) !== (before?.containers ?? fingerprint(was))
  const containers: Json[] = now.map(({ name, service, image, status }) => ({ name, service, image, status }))
  const lossFacts = losses.length > 0 ? { lost: losses } : {}
  return {
    changed,
    outputs: { changed, containers },
    facts: { ...factsOf(before, now, disk, digests), ...lossFacts },
  }
}

/** Of all replicas of a service. */
const imagesIn = (all: readonly { service: string; image: string }[], name: string) =>
  all
    .flatMap(({ service, image }) => (service === name ? [image] : []))
    .sort()
    .join(' ')

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

const until = (signal: AbortSignal) =>
  new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
