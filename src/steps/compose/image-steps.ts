/** What the kinds that bring images in have in common: their looks, their words, their way back. */
import { Failed } from '../../failure.ts'
import type { CheckFinding, StepContext, StepKind, StepResult } from '../contract/step.ts'
import { type Stack, stackFacts, stackLock } from './compose.ts'
import { survivingEngine } from './engine-away.ts'
import { hasRegistryHost } from './image-name.ts'
import { type KeptImage, type KeptStack, missingPins, putImagesBack } from './image-pins.ts'
import { imageIds } from './inspect-images.ts'
import { missingFinding } from './lost.ts'

/** Of the engine, whichever stack uses them. */
export const IMAGE_NAMES: readonly string[] = ['image names']

const shortId = (id: string) => id.slice(7, 19)

export const keptFinding = ({ service, name, id }: KeptImage): CheckFinding => ({
  text: `${service}: ${id === null ? 'no image yet, rollback: none available' : `${name} is ${shortId(id)}, kept for a rollback`}`,
  seen: { service, id },
})

/** None where no registry would give out another image under that name. */
export const nameFinding = (name: string): CheckFinding[] =>
  hasRegistryHost(name)
    ? [
        {
          text: `the build takes the name ${name}, under which a registry may have another image`,
          seen: name,
        },
      ]
    : []

/** An image that did not move is no error: a build may have had nothing to do. */
export function sawImage(ctx: StepContext, target: string, before: string | null, after: string | null) {
  const short = (id: string | null) => (id === null ? 'none' : shortId(id))
  const saw = before === after ? `${short(after)}, as before` : `${short(before)} → ${short(after)}`
  ctx.saw({ what: 'image', target, saw, ok: after !== null })
}

type Kind = StepKind<Stack & { services: readonly string[] }, KeptStack>

export const bringsImages = {
  timeoutMs: 30 * 60_000,
  plan: {
    effect: () => 'write',
    repeatable: () => true,
    about: stackFacts,
    locks: input => [stackLock(input)],
    touches: () => IMAGE_NAMES,
    undoCommands: () => [
      { argv: ['docker', 'tag', { unknown: 'the image kept before' }, { unknown: 'its name' }] },
    ],
  },
  undo: {
    restore: survivingEngine(imagesBack),
    verify: survivingEngine(namesAsBefore),
    rehearse: rehearseImages,
  },
} satisfies Pick<Kind, 'timeoutMs' | 'undo'> & { plan: Omit<Kind['plan'], 'commands'> }

export async function imagesBack(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<StepResult> {
  return { changed: await putImagesBack(ctx, stack, kept) }
}

/** The names mean what they meant before, or what ran then. One that meant nothing is owed nothing. */
export async function namesAsBefore(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack | null,
): Promise<StepResult> {
  const images = kept?.images ?? []
  const ids = await imageIds(
    ctx,
    stack.dir,
    images.map(image => image.name),
  )
  const differ = images.filter(({ name, named, id }) => {
    const now = ids.get(name) ?? null
    const ok = id === null || now === id || now === named
    const saw = now === null ? 'no image' : shortId(now)
    ctx.saw({ what: 'image', target: name, saw: id === null && now !== null ? `${saw}, new` : saw, ok })
    return !ok
  })
  if (differ.length > 0)
    throw new Failed({ code: 'images-differ', services: differ.map(image => image.service) })
  return { changed: false }
}

export async function rehearseImages(
  ctx: StepContext,
  stack: Stack,
  kept: KeptStack,
): Promise<CheckFinding[]> {
  const missing = missingFinding(await missingPins(ctx, stack, kept), [])
  return [missing ?? { text: 'the images before this step are kept', seen: null }]
}
