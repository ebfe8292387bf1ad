/**
 * Evidence that is kept before a rollback replaces the containers that failed. It comes from docker alone, because the files of
 * the checkout may be restored meanwhile. Containers are replaced only when it is complete, and the engine does not answer about a
 * container that it is restarting, so it is asked as little as possible.
 */
import { Failed, type Failure } from '../../failure.ts'
import type { Evidence, StepContext } from '../contract/step.ts'
import type { Stack } from './compose.ts'
import { inspectReplicas, type Listed, listContainers } from './project.ts'
import { projectOf } from './running-stack.ts'
import { expectedOf, judgeReplicas } from './stability.ts'
import { containerLastWords, deathOf, describe, lastLines, withWords } from './unstable.ts'

type Given = Stack & { services: readonly string[] }

export async function stackEvidence(
  ctx: StepContext,
  input: Given,
  /** The project's name, if it is known without reading a file. */
  known: { project: string } | null,
  because: Failure,
): Promise<Evidence[]> {
  const project = known?.project ?? (await unlessFailed(projectOf(ctx, input)))
  if (project === null) return [{ name: 'containers', text: 'not there: the project has no name' }]
  const listed = await unlessFailed(listContainers(ctx, input, project))
  const [logs, state] = await Promise.all([
    logsOf(ctx, input, listed ?? []),
    suspects(ctx, input, listed ?? [], because),
  ])
  const containers = listed === null ? 'not there' : tableOf(listed)
  return [{ name: 'containers', text: containers }, { name: 'logs', text: logs }, ...state]
}

/** Pure. */
function tableOf(listed: readonly Listed[]): string {
  const rows = [['NAME', 'IMAGE', 'STATUS', 'PORTS'], ...listed.map(({ name, shown }) => [name, ...shown])]
  const widths = [0, 1, 2].map(at => Math.max(...rows.map(row => (row[at] ?? '').length)))
  return rows.map(row => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('   ')).join('\n')
}

async function logsOf(ctx: StepContext, input: Given, listed: readonly Listed[]): Promise<string> {
  const { services } = input
  const wanted = listed.filter(({ service }) => services.length === 0 || services.includes(service))
  const logs = await Promise.all(
    wanted.map(async ({ id, name }) => {
      const said = (await unlessFailed(lastLines(ctx, id)))?.all ?? ['not there']
      return said.map(line => `${name} | ${line}`)
    }),
  )
  return logs.flat().join('\n')
}

/** The container at fault, if the failure does not name it or was reported before its last words were read. */
async function suspects(
  ctx: StepContext,
  input: Given,
  listed: readonly Listed[],
  because: Failure,
): Promise<Evidence[]> {
  if (because.code === 'not-stable' && because.failedService) {
    const { until, failedService, detail } = because
    const id = listed.find(({ name }) => name === failedService.container)?.id
    const words = id && until ? await unlessFailed(containerLastWords(ctx, id, until)) : null
    if (words === null) return []
    const failure = withWords(because, words)
    return [{ name: 'state', text: detail, facts: { failedService: failure.failedService! }, failure }]
  }
  const ids = listed.map(({ id }) => id)
  const now = (await unlessFailed(inspectReplicas(ctx, input, ids))) ?? []
  const first = new Map(now.map(each => [each.id, each]))
  const verdict = judgeReplicas(expectedOf(now, input.services), first, now)
  if (verdict.good) return []
  const problem = verdict.problems.find(each => each.container !== null)
  const replica = now.find(each => each.id === problem?.container)
  if (!problem || !replica) return []
  const words = await unlessFailed(containerLastWords(ctx, replica.id, deathOf(replica)))
  const failedService = describe(replica, problem.detail, words?.text ?? '')
  return [{ name: 'state', text: problem.detail, facts: { failedService } }]
}

/** Evidence that cannot be gathered is left out and does not stop the rollback. */
async function unlessFailed<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return null
  }
}
