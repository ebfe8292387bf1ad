/** Whether a stack is what it was before a run. */
import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import type { Stack } from './compose.ts'
import { type KeptImage, type KeptStack, madeSince } from './image-pins.ts'
import { readReplicas } from './project.ts'
import { requireFiles } from './restore-files.ts'
import { isUp, type Replica } from './stability.ts'

/** Every container runs the image and the configuration that it ran before, as many are up, and none is there that was not. */
export async function requireAsBefore(ctx: StepContext, stack: Stack, kept: KeptStack): Promise<Replica[]> {
  const now = await readReplicas(ctx, stack, kept.project, null, kept.names)
  const of = ({ service }: KeptImage) => now.filter(replica => replica.service === service)
  const where = (differs: (image: KeptImage, replicas: readonly Replica[]) => boolean) =>
    kept.images.filter(image => differs(image, of(image))).map(image => image.service)
  for (const image of kept.images) observe(ctx, image, of(image))

  const images = where(
    (image, replicas) => sorted(replicas.map(each => each.image)) !== sorted(image.running),
  )
  const left = [...images, ...madeSince(kept, now).map(replica => replica.service)]
  if (left.length > 0) throw new Failed({ code: 'images-differ', services: [...new Set(left)] })
  const states = where(({ up }, replicas) => up !== undefined && replicas.filter(isUp).length !== up)
  if (states.length > 0)
    throw new Failed({
      code: 'state-differs',
      services: kept.images
        .filter(each => states.includes(each.service))
        .map(image => ({ name: image.service, up: image.up ?? 0, now: of(image).filter(isUp).length })),
    })
  const configs = where(isConfiguredOtherwise)
  if (configs.length > 0) throw new Failed({ code: 'config-differs', services: configs })
  await requireFiles(ctx, kept)
  return now
}

/** Another version of Compose hashes the same configuration otherwise, which says nothing. */
const isConfiguredOtherwise = ({ config, madeBy }: KeptImage, replicas: readonly Replica[]): boolean =>
  typeof config === 'string' &&
  config !== '' &&
  replicas.some(each => each.madeBy === madeBy && each.config !== config)

function observe(ctx: StepContext, { service, running, up }: KeptImage, replicas: readonly Replica[]): void {
  const images = [...new Set(replicas.map(each => each.image.slice(7, 19)))]
  ctx.saw({
    what: 'image',
    target: service,
    saw: images.join(', ') || 'no container',
    ok: sorted(replicas.map(each => each.image)) === sorted(running),
  })
  if (up === undefined) return
  const now = replicas.filter(isUp).length
  ctx.saw({ what: 'state', target: service, saw: `${now} of ${replicas.length} up`, ok: now === up })
}

const sorted = (ids: readonly string[]) => [...ids].sort().join(' ')
