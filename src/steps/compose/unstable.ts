/** The failure of a stack that is not stable, with the last log lines of the container at fault. */

import { Failed, type FailedService, type Failure } from '../../failure.ts'
import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import type { Stack } from './compose.ts'
import { lastEvent } from './container-events.ts'
import { sawReplicas } from './seen.ts'
import type { Replica, ReplicaProblem } from './stability.ts'

export async function notStable(
  ctx: StepContext,
  stack: Stack,
  problems: readonly ReplicaProblem[],
  now: readonly Replica[],
): Promise<Failed> {
  sawReplicas(ctx, now, problems)
  const services = [...new Set(problems.map(problem => problem.service))]
  const detail = problems.map(problem => problem.detail).join(', ')
  const failure = { code: 'not-stable', dir: stack.dir, services, detail, tail: '' } as const
  const broken = problems.find(problem => problem.container !== null)
  const replica = now.find(each => each.id === broken?.container)
  if (!broken || !replica) return new Failed(failure)
  const until = deathOf(replica)
  const failedService = describe(replica, broken.detail, '')
  // The engine gives no logs of a container while it restarts it, so the evidence reads them later.
  if (ctx.isHurried && until !== null) return new Failed({ ...failure, failedService, until })
  return new Failed(
    withWords({ ...failure, failedService }, await containerLastWords(ctx, replica.id, until)),
  )
}

type NotStable = Extract<Failure, { code: 'not-stable' }>
type Words = { text: string; cause: string | null }

/** Pure. */
export function withWords({ until: _, ...failure }: NotStable, { text, cause }: Words): NotStable {
  const { failedService } = failure
  return {
    ...failure,
    tail: text,
    ...(failedService ? { failedService: { ...failedService, logsTail: text } } : {}),
    ...(cause === null ? {} : { cause }),
  }
}

export const describe = (replica: Replica, why: string, logsTail: string): FailedService => ({
  name: replica.service,
  container: replica.name,
  image: replica.image,
  why,
  state: replica.status,
  exitCode: replica.status === 'running' ? null : replica.exitCode,
  restarts: replica.restarts,
  health:
    replica.health === null ? null : `${replica.health}${replica.said === '' ? '' : `: ${replica.said}`}`,
  logsTail,
})

type Said = { all: string[]; errors: string[] }

/** Both streams in the order in which they were written; the engine gives them separately. */
export async function lastLines(ctx: StepContext, id: string, until: string | null = null): Promise<Said> {
  const before = until === null ? [] : ['--until', until]
  const argv = ['docker', 'logs', '--timestamps', '--tail', `${KEPT_LINES}`, ...before, id]
  // Without logs the failure is still reported.
  const done = await ctx.exec({ argv, ...LOOKING })
  if (done.code !== 0) return { all: [], errors: [] }
  const errors = lines(done.stderr)
  return { all: [...lines(done.stdout), ...errors].sort().slice(-KEPT_LINES), errors }
}

/** Lines after `until` are left out: a container that was restarted wrote them, and they do not say why it died. */
export async function containerLastWords(ctx: StepContext, id: string, until: string | null): Promise<Words> {
  const { all, errors } = until === null ? await lastLines(ctx, id) : await linesUntil(ctx, id, until)
  const cause = errors.at(-1)
  return { text: wordsOf(ctx, all), cause: cause === undefined ? null : withoutTime(cause) }
}

/** Runs the same command as the evidence, so that a busy engine answers it once. */
async function linesUntil(ctx: StepContext, id: string, until: string): Promise<Said> {
  const said = await lastLines(ctx, id)
  const isBefore = (line: string) => Date.parse(line.split(' ', 1)[0]!) <= Date.parse(until)
  const all = said.all.filter(isBefore)
  return all.length === 0 ? lastLines(ctx, id, until) : { all, errors: said.errors.filter(isBefore) }
}

/** The last twenty lines, without the times at which they were said. */
const wordsOf = (ctx: Pick<StepContext, 'redact'>, all: readonly string[]): string =>
  ctx.redact(all.slice(-LAST_LINES).map(withoutTime).join('\n')).slice(-4096)

const KEPT_LINES = 100
const LAST_LINES = 20
const withoutTime = (line: string) => line.replace(/^\S+ /, '')

/**
 * Of a crash loop, which may have been started again by now: what it says then is not what it died of. The engine waits for
 * a tenth of a second at the least before it starts one again, and notes the last words before the end, or right behind it.
 */
export function deathOf({ status, finishedAt, died = false }: Replica): string | null {
  const finished = Date.parse(finishedAt)
  return (died || status === 'restarting') && finished > 0 ? new Date(finished + 50).toISOString() : null
}

/** While a container of a crash loop runs, the engine gives 0 for it: its exit code is that of its last death. */
export async function withExitCodes(
  ctx: StepContext,
  stack: Stack,
  before: ReadonlyMap<string, Pick<Replica, 'restarts'>>,
  now: readonly Replica[],
): Promise<Replica[]> {
  const seen: Replica[] = []
  for (const replica of now) {
    const earlier = before.get(replica.id)?.restarts ?? 0
    const looping = replica.status === 'running' && replica.restarts > earlier
    const code = looping ? await lastExitCode(ctx, stack, replica.id) : null
    seen.push(code === null ? replica : { ...replica, exitCode: code, status: 'restarting' })
  }
  return seen
}

/** Null if the engine does not say: the failure is still reported. */
async function lastExitCode(ctx: StepContext, stack: Stack, id: string): Promise<number | null> {
  const wanted = { kinds: ['die'], format: '{{.Actor.Attributes.exitCode}}' }
  try {
    const code = Number.parseInt((await lastEvent(ctx, canonicalPath(stack.dir), id, wanted)) ?? '', 10)
    return Number.isNaN(code) ? null : code
  } catch (error) {
    if (error instanceof Failed && error.failure.code !== 'interrupted') return null
    throw error
  }
}
