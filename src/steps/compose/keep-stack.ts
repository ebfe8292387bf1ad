/** All of a stack that a way back needs, recorded before the first change; and what an upgrade would do to it unasked. */

import { Failed, type Loss } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { docker, type Stack } from './compose.ts'
import { configThatRuns, findDrifted } from './drift.ts'
import {
  type FoundStack,
  findStack,
  imagesOf,
  type KeptImage,
  type KeptStack,
  pinImages,
} from './image-pins.ts'
import { mountedDigests } from './mounted-files.ts'
import { lostFrom, type Possession, possessionsIn, possessionsOf } from './possessions.ts'
import { jsonOf } from './project.ts'
import { keepText } from './saved-files.ts'
import type { Replica } from './stability.ts'

type Given = Stack & { services: readonly string[]; allowLoss: boolean }

export async function keepStack(
  ctx: StepContext,
  input: Given,
): Promise<{ kept: KeptStack; replicas: Replica[] }> {
  const found = await findStack(ctx, input, input.services)
  const { stack, replicas } = found
  const { project, rendered, hashes, folder } = found.files
  const [kept, digests, networks, volumes] = await Promise.all([
    keepWithoutLoss(ctx, input, found),
    mountedDigests(ctx, stack, rendered),
    madeByProject(ctx, stack, project.name, 'network'),
    madeByProject(ctx, stack, project.name, 'volume'),
  ])
  const images = kept.images.map(image => ({ ...image, files: digests.get(image.service) ?? null }))
  const others = (await findDrifted(ctx, stack, replicas, hashes)).filter(each =>
    images.some(image => image.service === each.service),
  )
  const was = await wayBackTo(ctx, stack, { folder, rendered, others })
  return { kept: { ...kept, images, networks, volumes, ...was }, replicas }
}

async function keepWithoutLoss(ctx: StepContext, input: Given, found: FoundStack): Promise<KeptStack> {
  const { stack, files, replicas } = found
  const seen = await imagesOf(ctx, stack, files.project, { which: 'reach', replicas })
  const holdings = holdingsIn(seen.images, replicas, seen.variables)
  const losses = lossesOf(holdings, jsonOf(files.rendered))
  if (losses.length > 0 && !input.allowLoss)
    throw new Failed({ code: 'would-lose', dir: canonicalPath(input.dir), losses })
  const images = seen.images.map(image => ({ ...image, has: holdings.get(image.service) ?? [] }))
  return pinImages(ctx, found, images)
}

async function wayBackTo(
  ctx: StepContext,
  stack: Stack,
  { folder, rendered, others }: { folder: string | null; rendered: string; others: readonly Replica[] },
): Promise<Pick<KeptStack, 'drifted' | 'was'>> {
  if (others.length === 0 || folder === null) return {}
  const services = [...new Set(others.map(each => each.service))]
  const ran = await configThatRuns(ctx, stack, rendered, others)
  const was = ran === null ? null : await keepText(ctx, folder, `was.${ctx.stepId}.json`, ran)
  ctx.say(driftInWords(services, was !== null))
  return { drifted: services, was }
}

const driftInWords = (services: readonly string[], canGoBack: boolean): string =>
  `${services.join(', ')}: a compose or env file was edited after the container was made, and the upgrade applies that too; a rollback ${canGoBack ? 'restores the configuration that runs' : 'cannot restore the configuration that runs'}`

/** By service, over all of its containers. */
export async function holdingsOf(
  ctx: StepContext,
  images: readonly KeptImage[],
  replicas: readonly Replica[],
): Promise<Map<string, Possession[]>> {
  const ours = replicas.filter(each => images.some(image => image.service === each.service))
  return holdingsIn(images, ours, await imageVariables(ctx, [...new Set(ours.map(each => each.image))]))
}

/** Pure. `variables`: of each image, by its id; of one that is gone nothing is claimed. */
export function holdingsIn(
  images: readonly KeptImage[],
  replicas: readonly Replica[],
  variables: ReadonlyMap<string, string[]>,
): Map<string, Possession[]> {
  const found = new Map<string, Possession[]>()
  for (const { service, held, image } of replicas) {
    if (!images.some(each => each.service === service)) continue
    const known = found.get(service) ?? []
    const more = held ? possessionsOf(held, variables.get(image) ?? held.env ?? []) : []
    found.set(service, [...known, ...more.filter(each => !known.some(({ what }) => what === each.what))])
  }
  return found
}

/** Absent where the engine does not have the image any more: then nothing is claimed of the variables. */
async function imageVariables(ctx: StepContext, ids: readonly string[]): Promise<Map<string, string[]>> {
  if (ids.length === 0) return new Map()
  const argv = ['docker', 'image', 'inspect', '--format', '{{.Id}} {{json .Config.Env}}', ...ids]
  const { stdout } = await ctx.exec({ argv, ...LOOKING })
  return new Map(
    lines(stdout).map(line => [
      line.slice(0, line.indexOf(' ')),
      (jsonOf(line.slice(line.indexOf(' ') + 1)) as string[] | null) ?? [],
    ]),
  )
}

/** Pure. A service that the configuration does not have is not replaced, and loses nothing. */
export const lossesOf = (holdings: ReadonlyMap<string, Possession[]>, rendered: unknown): Loss[] =>
  [...holdings].flatMap(([service, had]) => {
    const has = possessionsIn(rendered, service)
    return has === null ? [] : lostFrom(had, has).map(what => ({ service, what }))
  })

export async function madeByProject(
  ctx: StepContext,
  { dir }: Pick<Stack, 'dir'>,
  project: string,
  what: 'network' | 'volume',
): Promise<string[]> {
  const format = what === 'network' ? '{{.ID}} {{.Name}}' : '{{.Name}}'
  const args = [what, 'ls', '--format', format, '--filter', `label=com.docker.compose.project=${project}`]
  return lines((await docker(ctx, canonicalPath(dir), args, LOOKING)).stdout)
}
