/** The way back of `compose.rollout`: the old version beside the new one, where nothing of it is left. */
import { longestFor } from '../contract/standing.ts'
import type { StepContext } from '../contract/step.ts'
import { changeOver, type How } from './change-over.ts'
import type { Stack } from './compose.ts'
import type { KeptImage, KeptStack } from './image-pins.ts'
import { readReplicas } from './project.ts'
import { backArgs, upInPlace } from './restore-stack.ts'
import { isSound, isUp, type Replica } from './stability.ts'
import { trafficMover, wasMoved } from './traffic.ts'
import { BACK_MS } from './wait.ts'

type Given = { dir: string; services: readonly string[]; switch?: string[] | undefined } & Pick<
  How,
  'forMs' | 'timeoutMs' | 'maxRestarts' | 'drainMs'
>

/** Answers with what it has replaced in its place all the same. */
export async function bringBackBeside(
  ctx: StepContext,
  given: Given,
  kept: KeptStack,
  { from, there }: { from: Stack; there: readonly KeptImage[] },
): Promise<KeptImage[]> {
  let found = await readReplicas(ctx, from, kept.project, null)
  const { first } = wayBack(given.services, kept, there, found)
  if (first.length > 0) {
    await upInPlace(ctx, from, first)
    found = await readReplicas(ctx, from, kept.project, null)
  }
  const way = wayBack(given.services, kept, there, found)
  if (way.beside.length > 0) {
    const moved = await wasMoved(ctx, given, kept)
    await changeOver(
      ctx,
      {
        ...{ stack: from, project: kept.project, found, stays: way.stays, stale: way.stale },
        dependencies: [],
        services: way.beside.map(({ service, running }) => ({ name: service, replicas: running.length })),
        known: new Set(kept.containers),
      },
      {
        ...given,
        up: backArgs([]),
        forMs: Math.min(longestFor([given]), BACK_MS),
        // Whoever never got any traffic has none to drain.
        drainMs: moved || way.isGone ? given.drainMs : 0,
        moveTraffic: moved ? trafficMover(ctx, given, kept) : null,
      },
    )
  }
  await upInPlace(ctx, from, way.last)
  return [...first, ...way.last]
}

type Way = {
  /** What the services depend on, as far as it is not what it was. */
  first: KeptImage[]
  beside: KeptImage[]
  /** Replicas of several images, or some that did not run: only in their places are they what they were. */
  last: KeptImage[]
  /** Not all of the old containers are there. */
  isGone: boolean
  stays: (replica: Replica) => boolean
  stale: Replica[]
}

/** Pure. */
export function wayBack(
  services: readonly string[],
  kept: Pick<KeptStack, 'containers'>,
  there: readonly KeptImage[],
  found: readonly Replica[],
): Way {
  const isKept = ({ id }: Replica) => kept.containers.includes(id)
  const own = ({ service }: KeptImage) => found.filter(replica => replica.service === service)
  const isAllThere = (image: KeptImage) => {
    const old = own(image).filter(isKept)
    const upAgain = image.up === undefined || old.filter(isUp).length === image.up
    return old.length === image.running.length && upAgain
  }
  const isUntouched = (image: KeptImage) => isAllThere(image) && own(image).every(isKept)
  const isUniform = ({ up, running, others, config }: KeptImage) =>
    up === running.length && others.length === 0 && typeof config === 'string'
  const isAsBefore = (replica: Replica) =>
    there.some(
      ({ service, id, config }) =>
        service === replica.service && id === replica.image && config === replica.config,
    )
  const rolled = there.filter(image => services.includes(image.service))
  const others = there.filter(image => !rolled.includes(image) && !isUntouched(image))
  const oneShots = others.filter(image => image.up === undefined)
  const beside = rolled.filter(image => isAllThere(image) || isUniform(image))
  const [whole, gone] = [beside.filter(isAllThere), beside.filter(image => !isAllThere(image))]
  const isOf = (images: readonly KeptImage[], { service }: Replica) =>
    images.some(image => image.service === service)
  return {
    first: others.filter(image => !oneShots.includes(image)),
    beside,
    last: beside.length > 0 ? rolled.filter(image => !beside.includes(image)) : [...rolled, ...oneShots],
    isGone: gone.length > 0,
    stays: replica =>
      isOf(whole, replica)
        ? isKept(replica)
        : isUp(replica) && (isKept(replica) || (isAsBefore(replica) && isSound(replica))),
    stale: found.filter(
      replica =>
        (isOf(gone, replica) && isKept(replica) && !isUp(replica)) ||
        (isOf(oneShots, replica) && !isKept(replica) && !isAsBefore(replica)),
    ),
  }
}
