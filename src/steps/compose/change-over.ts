/** One generation of containers in the place of another, with both of them running in between. */
import { stand } from '../contract/standing.ts'
import type { Sign, StepContext } from '../contract/step.ts'
import type { Stack } from './compose.ts'
import { addressOf } from './possessions.ts'
import { upInSilence } from './progress.ts'
import { readReplicas } from './project.ts'
import { stopAndRemove } from './restore-stack.ts'
import type { Expected, Replica } from './stability.ts'
import { awaitedSign } from './standing-stack.ts'

type Change = {
  stack: Stack
  project: string
  /** Every container of the project. */
  found: readonly Replica[]
  services: readonly { name: string; replicas: number }[]
  /** Whether a container of these services is one of the generation that is to serve. */
  stays: (replica: Replica) => boolean
  /** Of no generation, or in the way of a new one: removed first. */
  stale: readonly Replica[]
  /** Judged as far as they were started by this run. */
  dependencies: readonly Expected[]
  /** Ids of containers that were there before the run, which are not judged. */
  known: ReadonlySet<string>
}
export type How = {
  /** Words for `up`. */
  up: readonly string[]
  forMs: number | null
  timeoutMs: number
  maxRestarts: number
  drainMs: number
  /** Moves the traffic of one service. */
  moveTraffic: ((env: Record<string, string>) => Promise<void>) | null
}

const LOOK_AGAIN_MS = 1000

/** Null where there was nothing to change. Throws before anything is removed where the new generation does not stand. */
export async function changeOver(ctx: StepContext, change: Change, how: How): Promise<Sign | null> {
  const { stack, project, known, stale } = change
  await stopAndRemove(ctx, stack, stale)
  const parts = splitGenerations(change)
  const leaving = parts.flatMap(part => part.leaving)
  const isDue = stale.length > 0 || parts.some(part => part.starts > 0)
  if (isDue) await upInSilence(ctx, stack, besideArgs(how.up, parts))
  else if (leaving.length === 0) return null
  const besides = new Set([...known, ...leaving.map(({ id }) => id)])
  const expected = await expectedOf(ctx, change, parts, besides)
  const around = { stack, project, forMs: how.forMs, maxRestarts: how.maxRestarts }
  const sign = awaitedSign(around, expected, besides)
  const watch = (forMs: number | null) =>
    // The window has to be over before the traffic moves: no later step can wait it out.
    stand(ctx, { ...sign, forMs }, { ...WATCHING, timeoutMs: how.timeoutMs })
  if (isDue || expected.some(({ replicas }) => replicas > 0)) await watch(how.forMs)
  await moveTraffic(ctx, change, parts, how)
  if (leaving.length === 0) return sign
  await watch(how.drainMs)
  ctx.say(`removed: ${namesOf(leaving)}`)
  await stopAndRemove(ctx, stack, leaving)
  return sign
}

const WATCHING = { intervalMs: LOOK_AGAIN_MS, alone: true }

type Part = { name: string; staying: Replica[]; leaving: Replica[]; starts: number }

/** Pure. */
export function splitGenerations({
  found,
  services,
  stays,
  stale,
}: Pick<Change, 'found' | 'services' | 'stays' | 'stale'>): Part[] {
  return services.map(({ name, replicas }) => {
    const there = found.filter(each => each.service === name && !stale.includes(each))
    const staying = there.filter(stays).slice(0, replicas)
    const leaving = there.filter(each => !staying.includes(each))
    return { name, staying, leaving, starts: replicas - staying.length }
  })
}

/** A service that is reached without a scale of its own would be brought to the count of its file, whichever goes for it. */
const besideArgs = (up: readonly string[], parts: readonly Part[]) => [
  ...up,
  '--no-recreate',
  ...parts.flatMap(({ name, staying, leaving, starts }) => [
    '--scale',
    `${name}=${staying.length + leaving.length + starts}`,
  ]),
  ...parts.map(({ name }) => name),
]

async function expectedOf(
  ctx: StepContext,
  { stack, project, services, dependencies, known }: Change,
  parts: readonly Part[],
  besides: ReadonlySet<string>,
): Promise<Expected[]> {
  const now = dependencies.length === 0 ? [] : await readReplicas(ctx, stack, project, null)
  const started = dependencies.flatMap(({ name, oneShot }) => {
    const replicas = now.filter(each => each.service === name && !besides.has(each.id)).length
    return replicas === 0 ? [] : [{ name, oneShot, replicas }]
  })
  const next = services.map(({ name, replicas }, at) => {
    const before = parts[at]!.staying.filter(({ id }) => known.has(id)).length
    return { name, oneShot: false, replicas: replicas - before }
  })
  return [...next, ...started]
}

/** Service by service, where something changes. */
async function moveTraffic(
  ctx: StepContext,
  { stack, project }: Change,
  parts: readonly Part[],
  how: How,
): Promise<void> {
  const now = await readReplicas(ctx, stack, project, null)
  for (const { name, starts, leaving } of parts) {
    if (starts + leaving.length === 0) continue
    const own = now.filter(each => each.service === name)
    const old = own.filter(({ id }) => leaving.some(each => each.id === id))
    const next = own.filter(each => !old.includes(each))
    ctx.say(`${name}: ${namesOf(next) || 'nothing'} in the place of ${namesOf(old) || 'nothing'}`)
    await how.moveTraffic?.({ HOSTOPS_SERVICE: name, ...told('NEW', next), ...told('OLD', old) })
  }
}

/** Lists of one order, separated by spaces. */
const told = (which: 'NEW' | 'OLD', replicas: readonly Replica[]) => ({
  [`HOSTOPS_${which}`]: replicas.map(({ name }) => name).join(' '),
  [`HOSTOPS_${which}_IDS`]: replicas.map(({ id }) => id).join(' '),
  [`HOSTOPS_${which}_ADDRESSES`]: replicas.map(each => addressOf(each) ?? '-').join(' '),
})

const namesOf = (replicas: readonly Replica[]) => replicas.map(({ name }) => name).join(', ')
