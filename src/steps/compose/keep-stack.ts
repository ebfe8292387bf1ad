/** All of a stack that a way back needs, recorded before the first change; and what an upgrade would do to it unasked. */
import { Failed, type Loss } from '../../failure.ts'
import { canonicalPath } from '../fields.ts'
import { lines } from '../plain-text.ts'
import type { StepContext } from '../step.ts'
import { docker, LOOKING, type Stack } from './compose.ts'
import { asItRuns, configHashes, drifted } from './drift.ts'
import { type KeptImage, type KeptStack, keepImages } from './images.ts'
import { renderedIn } from './keep.ts'
import { mountedDigests } from './mounted-files.ts'
import { lost, type Possession, possessionsIn, possessionsOf } from './possessions.ts'
import { jsonOf } from './project.ts'
import type { Replica } from './stability.ts'

type Given = Stack & { services: readonly string[]; allowLoss: boolean }

export async function keepStack(
  ctx: StepContext,
  input: Given,
): Promise<{ kept: KeptStack; replicas: Replica[] }> {
  const { kept, replicas, rendered } = await keepImages(ctx, input, input.services, 'reach')
  const stack = kept.stack ?? input
  const [holdings, hashes, digests, networks, volumes] = await Promise.all([
    holdingsOf(ctx, kept.images, replicas),
    configHashes(ctx, stack, kept.folder === null ? [] : ['cat', renderedIn(kept.folder)]),
    mountedDigests(ctx, stack, rendered),
    madeByProject(ctx, stack, kept.project, 'network'),
    madeByProject(ctx, stack, kept.project, 'volume'),
  ])
  const losses = lossesOf(holdings, jsonOf(rendered))
  if (losses.length > 0 && !input.allowLoss)
    throw new Failed({ code: 'would-lose', dir: canonicalPath(input.dir), losses })
  for (const image of kept.images) {
    image.has = holdings.get(image.service) ?? []
    image.files = digests.get(image.service) ?? null
  }
  const others = drifted(replicas, hashes).filter(each =>
    kept.images.some(image => image.service === each.service),
  )
  const was = await wayBackTo(ctx, stack, { kept, rendered, others })
  return { kept: { ...kept, networks, volumes, ...was }, replicas }
}

async function wayBackTo(
  ctx: StepContext,
  stack: Stack,
  { kept, rendered, others }: { kept: KeptStack; rendered: string; others: readonly Replica[] },
): Promise<Pick<KeptStack, 'drifted' | 'was'>> {
  if (others.length === 0 || kept.folder === null) return {}
  const services = [...new Set(others.map(each => each.service))]
  const was = await asItRuns(ctx, stack, { folder: kept.folder, rendered, drifted: others })
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
  const envs = await imageVariables(ctx, [...new Set(ours.map(each => each.image))])
  const found = new Map<string, Possession[]>()
  for (const { service, held, image } of ours) {
    const known = found.get(service) ?? []
    const more = held ? possessionsOf(held, envs.get(image) ?? held.env ?? []) : []
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
    return has === null ? [] : lost(had, has).map(what => ({ service, what }))
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
