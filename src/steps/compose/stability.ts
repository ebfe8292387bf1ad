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
  /** The version of Compose that made it; another one may hash the same configuration otherwise. */
  madeBy?: string
  /** As its configuration named its image. */
  imageName?: string
  held?: Held | null
}

export const isUp = ({ status }: Pick<Replica, 'status'>): boolean =>
  status === 'running' || status === 'restarting' || status === 'paused'

export type Expected = { name: string; replicas: number; oneShot: boolean }
/** `container` is null where one is missing. */
export type Problem = { service: string; container: string | null; detail: string }

/** `final`: waiting cannot help. */
export type Verdict = { good: true } | { good: false; final: boolean; problems: Problem[] }

export function judge(
  expected: readonly Expected[],
  first: ReadonlyMap<string, Replica>,
  now: readonly Replica[],
): Verdict {
  const problems: (Problem & { final: boolean })[] = []
  for (const service of expected) {
    const replicas = now.filter(replica => replica.service === service.name)
    if (replicas.length < service.replicas) {
      const detail = `${replicas.length} of ${service.replicas} containers are there`
      problems.push({ service: service.name, container: null, detail, final: false })
    }
    for (const replica of replicas) {
      const problem = problemOf(replica, first.get(replica.id), service.oneShot)
      if (problem) problems.push({ service: service.name, container: replica.id, ...problem })
    }
  }
  if (problems.length === 0) return { good: true }
  return { good: false, final: problems.some(problem => problem.final), problems }
}

/**
 * What has broken down since `before`, where waiting cannot help; of containers that were not there before, every
 * restart counts. An end with exit code 0 is none: whether a service was meant to end is not for this to say.
 */
export function crashed(before: readonly Replica[], now: readonly Replica[]): Problem[] {
  const earlier = new Map(before.map(replica => [replica.id, replica]))
  return now.flatMap(replica => {
    const known = earlier.get(replica.id)
    if (known && known.startedAt === replica.startedAt && known.restarts === replica.restarts) return []
    const oneShot = replica.exitCode === 0
    const problem = problemOf(replica, known ?? { ...replica, restarts: 0 }, oneShot)
    return problem?.final ? [{ service: replica.service, container: replica.id, detail: problem.detail }] : []
  })
}

/** Equal as long as nothing was started again or replaced in between. */
export const fingerprint = (now: readonly Replica[]): string =>
  now
    .map(replica => `${replica.id} ${replica.startedAt} ${replica.restarts}`)
    .sort()
    .join('\n')

function problemOf(now: Replica, first: Replica | undefined, oneShot: boolean) {
  const died = `exit code ${now.exitCode}${now.outOfMemory ? ', out of memory' : ''}`
  const said = now.said === '' ? '' : `: ${now.said.split('\n').at(-1)?.slice(0, 200)}`
  if (first !== undefined && now.restarts > first.restarts) {
    return {
      detail: `${now.name} has restarted ${times(now.restarts - first.restarts)} (${died})${said}`,
      final: true,
    }
  }
  switch (now.status) {
    case 'running':
      if (now.health === null || now.health === 'healthy') return null
      return { detail: `${now.name} is ${now.health}${said}`, final: false }
    case 'exited':
      if (oneShot && now.exitCode === 0) return null
      return { detail: `${now.name} has ended with ${died}${said}`, final: !now.comesBack }
    case 'dead':
      return { detail: `${now.name} is dead${said}`, final: true }
    default:
      return { detail: `${now.name} is ${now.status} (${died})${said}`, final: false }
  }
}

const times = (n: number) => (n === 1 ? 'once' : `${n} times`)
