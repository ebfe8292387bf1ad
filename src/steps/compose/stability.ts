/** Whether a stack stands: every replica of every service, over some time, by what the engine says. Pure. */
import type { Held } from './possessions.ts'

export type Replica = {
  id: string
  name: string
  service: string
  image: string
  /** The hash of the configuration that compose made it from. */
  config: string
  restarts: number
  /** created, running, paused, restarting, removing, exited, dead */
  status: string
  startedAt: string
  /** When it died the last time; the year 1 when it never did. */
  finishedAt: string
  exitCode: number
  /** Has a restart policy. */
  comesBack: boolean
  health: string | null
  /** The last output of the health check, or the engine's error. */
  said: string
  outOfMemory: boolean
  /** The engine tells that it has ended, with another exit code than 0 and asked by nobody. */
  died?: boolean
  /** The version of Compose that made it; another one may hash the same configuration otherwise. */
  madeBy?: string
  /** As its configuration named its image. */
  imageName?: string
  held?: Held | null
  /** What its service depends on. `ends`: once that has ended well. */
  needs?: { service: string; ends: boolean }[]
}

export const isUp = ({ status }: Pick<Replica, 'status'>): boolean =>
  status === 'running' || status === 'restarting' || status === 'paused'

/** Pure. As far as one look tells. */
export const isSound = ({ status, restarts, health }: Replica): boolean =>
  (status === 'running' || status === 'paused') && restarts === 0 && health !== 'unhealthy'

export type Expected = { name: string; replicas: number; oneShot: boolean }
/** `container` is null where one is missing. */
export type ReplicaProblem = { service: string; container: string | null; detail: string }

/** `final`: waiting cannot help. */
export type StackVerdict = { good: true } | { good: false; final: boolean; problems: ReplicaProblem[] }

export function judgeReplicas(
  expected: readonly Expected[],
  first: ReadonlyMap<string, Replica>,
  now: readonly Replica[],
  maxRestarts = 0,
): StackVerdict {
  const problems: (ReplicaProblem & { final: boolean })[] = []
  for (const service of expected) {
    const replicas = now.filter(replica => replica.service === service.name)
    if (replicas.length < service.replicas) {
      const detail = `${replicas.length} of ${service.replicas} containers are there`
      problems.push({ service: service.name, container: null, detail, final: false })
    }
    for (const replica of replicas) {
      const problem = problemOf(replica, first.get(replica.id), { oneShot: service.oneShot, maxRestarts })
      if (problem) problems.push({ service: service.name, container: replica.id, ...problem })
    }
  }
  if (problems.length === 0) return { good: true }
  return { good: false, final: problems.some(problem => problem.final), problems }
}

/**
 * What containers themselves tell of these services (all when none is named) and of what they depend on. Pure. No
 * container is missing by that, since nobody else says how many there should be.
 */
export function expectedOf(now: readonly Replica[], services: readonly string[]): Expected[] {
  const reached = new Set<string>()
  const reach = (name: string) => {
    if (reached.has(name)) return
    reached.add(name)
    for (const each of now) if (each.service === name) each.needs?.map(need => reach(need.service))
  }
  for (const name of services.length > 0 ? services : now.map(each => each.service)) reach(name)
  const ends = now.flatMap(({ needs = [] }) => needs.flatMap(need => (need.ends ? [need.service] : [])))
  return [...reached].map(name => ({ name, replicas: 0, oneShot: ends.includes(name) }))
}

/** A container that was not started since is none of ours: `untouched` tells it by its print. */
export type KnownReplica = Pick<Replica, 'id' | 'restarts' | 'startedAt' | 'status'> & {
  untouched: string | null
}

/** Pure. As containers were before: those are told of only once they were started again. */
export const untouched = (replicas: readonly Replica[]): Map<string, KnownReplica> =>
  new Map(replicas.map(each => [each.id, { ...known(each), untouched: fingerprint([each]) }]))

/** Pure. As containers are that have to stand from now on, but for those that do not run. */
export const asFound = (replicas: readonly Replica[]): Map<string, KnownReplica> =>
  new Map([
    ...untouched(replicas.filter(each => !isUp(each))),
    ...replicas.filter(isUp).map(each => [each.id, known(each)] as const),
  ])

/** Pure. With what was started since: of a container that was not there before, every restart counts. */
export function learned(
  before: ReadonlyMap<string, KnownReplica>,
  now: readonly Replica[],
): Map<string, KnownReplica> {
  const next = new Map(before)
  for (const replica of now) {
    const earlier = before.get(replica.id)
    if (earlier && (earlier.untouched === null || earlier.untouched === fingerprint([replica]))) continue
    next.set(replica.id, { ...known(replica), restarts: Math.min(earlier?.restarts ?? 0, replica.restarts) })
  }
  return next
}

const known = ({ id, restarts, startedAt, status }: Replica): KnownReplica => {
  return { id, restarts, startedAt, status, untouched: null }
}

/** Pure. Of what was started, as far as `starting` may still become healthy: an end with exit code 0 may be meant. */
export function crashed(
  before: ReadonlyMap<string, KnownReplica>,
  now: readonly Replica[],
  maxRestarts = 0,
): ReplicaProblem[] {
  return startedOf(before, now).flatMap(replica => {
    const oneShot = replica.exitCode === 0 && !replica.comesBack
    const problem = problemOf(replica, before.get(replica.id), { oneShot, maxRestarts })
    return problem?.final ? [{ service: replica.service, container: replica.id, detail: problem.detail }] : []
  })
}

export const startedOf = (before: ReadonlyMap<string, KnownReplica>, now: readonly Replica[]): Replica[] =>
  now.filter(({ id }) => (before.get(id)?.untouched ?? null) === null)

/** Equal as long as nothing was started again or replaced in between. */
export const fingerprint = (now: readonly Replica[]): string =>
  now
    .map(replica => `${replica.id} ${replica.startedAt} ${replica.restarts}`)
    .sort()
    .join('\n')

function problemOf(
  now: Replica,
  first: Pick<Replica, 'restarts' | 'startedAt' | 'status'> | undefined,
  { oneShot, maxRestarts }: { oneShot: boolean; maxRestarts: number },
) {
  const problem = (what: string, final: boolean) => ({
    detail: `${now.name} ${what}${lastWords(now)}`,
    final,
  })
  const died = `exit code ${now.exitCode}${now.outOfMemory ? ', out of memory' : ''}`
  const restarts = first === undefined ? 0 : now.restarts - first.restarts
  if (restarts > maxRestarts) return problem(`has restarted ${times(restarts)} (${died})`, true)
  const isAgain = first?.status === 'running' && isUp(now) && first.startedAt !== now.startedAt
  if (isAgain && restarts <= 0 && maxRestarts === 0) return problem('has ended and was started again', true)
  if (now.died && maxRestarts === 0) return problem(`has ended with ${died}`, true)
  switch (now.status) {
    case 'running':
      if (now.health === null || now.health === 'healthy') return null
      return problem(`is ${now.health}`, now.health === 'unhealthy')
    case 'exited':
      if (oneShot && now.exitCode === 0) return null
      return problem(`has ended with ${died}`, !now.comesBack)
    case 'dead':
      return problem('is dead', true)
    default:
      return problem(`is ${now.status} (${died})`, false)
  }
}

const lastWords = ({ said }: Replica) => (said === '' ? '' : `: ${said.split('\n').at(-1)?.slice(0, 200)}`)

const times = (n: number) => (n === 1 ? 'once' : `${n} times`)
