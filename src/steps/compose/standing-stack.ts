/** The containers of a stack as what has to stand: those that a run has started, or those that a step waits for. */
import * as z from 'zod'
import type { Look, Sign, StepContext } from '../contract/step.ts'
import type { Stack } from './compose.ts'
import { newsOf } from './container-events.ts'
import { Deaths } from './deaths.ts'
import { readReplicas } from './project.ts'
import {
  asFound,
  crashed,
  type Expected,
  fingerprint,
  judgeReplicas,
  learned,
  type Replica,
  type ReplicaProblem,
  startedOf,
  untouched,
} from './stability.ts'
import { notStable, withExitCodes } from './unstable.ts'

export type StackSign = Sign & {
  latest(): readonly Replica[]
  /** What the first look is going to judge. */
  begin(ctx: StepContext): Promise<readonly Replica[]>
}
type Around = {
  stack: Stack
  project: string
  forMs: number | null
  maxRestarts: number
}
type Seen = { problems: ReplicaProblem[] } & Pick<Look, 'good' | 'final' | 'print' | 'ended'>

export const maxRestartsField = () =>
  z
    .int()
    .min(0)
    .max(100)
    .default(0)
    .describe('How often a container may be restarted; each restart begins the window anew.')

/** Whether they get healthy is for others to wait for: `starting` is good enough. `was`: before they were started. */
export function startedSign(around: Around, was: readonly Replica[]): StackSign {
  let known: ReturnType<typeof untouched> | null = untouched(was)
  return stackSign(around, {
    services: null,
    likely: was.map(({ name }) => name),
    learn(now) {
      known = known === null ? asFound(now) : learned(known, now)
      return known
    },
    judge(now) {
      const problems = crashed(known!, now, around.maxRestarts)
      const started = startedOf(known!, now)
      const isGood = problems.length === 0
      const ended = started.filter(({ status }) => status === 'exited').length
      return { problems, good: isGood, final: !isGood, print: fingerprint(started), ended }
    },
    rebase() {
      known = null
    },
  })
}

/** `besides`: ids of containers that nothing is expected of. Of the others every restart counts, since they are new. */
export function awaitedSign(
  around: Around,
  expected: readonly Expected[],
  besides?: ReadonlySet<string>,
): StackSign {
  let first = new Map<string, Replica>()
  let areNew = besides !== undefined
  return stackSign(around, {
    services: expected.map(service => service.name),
    likely: [...(besides ?? [])],
    ...(besides ? { besides } : {}),
    learn(now) {
      for (const replica of now)
        if (!first.has(replica.id)) first.set(replica.id, areNew ? { ...replica, restarts: 0 } : replica)
      return first
    },
    judge(now) {
      const verdict = judgeReplicas(expected, first, now, around.maxRestarts)
      const print = fingerprint(now)
      if (verdict.good) return { problems: [], good: true, final: false, print }
      return { problems: verdict.problems, good: false, final: verdict.final, print }
    },
    rebase() {
      first = new Map()
      areNew = false
    },
  })
}

function stackSign(
  { stack, project, forMs, maxRestarts }: Around,
  memory: {
    services: readonly string[] | null
    /** Names or ids that containers probably have before any was seen. */
    likely: readonly string[]
    besides?: ReadonlySet<string>
    learn(now: readonly Replica[]): ReadonlyMap<string, Pick<Replica, 'restarts'>>
    judge(now: readonly Replica[]): Seen
    rebase(): void
  },
): StackSign {
  let latest: readonly Replica[] = []
  let begun: readonly Replica[] | null = null
  let likely = memory.likely
  const deaths = new Deaths()
  const read = async (ctx: StepContext) => {
    const all = await readReplicas(ctx, stack, project, memory.services, likely)
    return all.filter(({ id }) => !memory.besides?.has(id))
  }
  /** The engine keeps everybody waiting who asks about a container while it starts that again: its word is enough. */
  const seenNow = async (ctx: StepContext) => {
    if (maxRestarts > 0) return read(ctx)
    if (deaths.someoneDied()) return latest
    const reading = read(ctx)
    reading.catch(() => {})
    return Promise.race([reading, deaths.next().then(() => latest)])
  }
  return {
    forMs,
    latest: () => latest,
    rebase() {
      begun = null
      memory.rebase()
    },
    news: newsOf(project, heard => deaths.hears(heard)),
    async begin(ctx) {
      const now = forMs === 0 ? await read(ctx) : await seenNow(ctx)
      if (forMs !== 0) begun = now
      deaths.sees(now)
      return now
    },
    async look(ctx: StepContext) {
      const raw = begun ?? (await seenNow(ctx))
      begun = null
      // Learned as they were seen: what has died since was there.
      const known = memory.learn(raw)
      const heard = maxRestarts > 0 ? raw : deaths.applied(raw)
      // Others may have changed since, where the one that died is nobody's concern.
      const isOld = raw === latest && !memory.judge(heard).final
      const found = isOld ? deaths.applied(await read(ctx)) : heard
      const now = await withExitCodes(ctx, stack, isOld ? memory.learn(found) : known, found)
      latest = now
      deaths.sees(now)
      likely = [...now.map(({ id }) => id), ...(memory.besides ?? [])]
      const seen = memory.judge(now)
      const problems = seen.problems.length > 0 ? seen.problems : [UNPROVEN]
      return {
        ...seen,
        text:
          seen.problems.length === 0
            ? 'all containers run'
            : seen.problems.map(({ detail }) => detail).join(', '),
        failure: () => notStable(ctx, stack, seen.good && seen.ended ? endsOf(now) : problems, now),
      }
    },
  }
}

const UNPROVEN: ReplicaProblem = {
  service: 'the stack',
  container: null,
  detail: 'did not run for long enough without a change',
}

const endsOf = (now: readonly Replica[]): ReplicaProblem[] =>
  now.flatMap(({ status, service, id, name, exitCode }) =>
    status === 'exited'
      ? [{ service, container: id, detail: `${name} has ended with exit code ${exitCode}` }]
      : [],
  )
