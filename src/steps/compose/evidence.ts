/**
 * What is kept before a rollback replaces the containers that failed. By docker alone: the files of the checkout may be on
 * their way back meanwhile.
 */
import { Failed } from '../../failure.ts'
import { canonicalPath } from '../fields.ts'
import { plainText } from '../plain-text.ts'
import type { Evidence, StepContext } from '../step.ts'
import { docker, LOOKING, type Stack } from './compose.ts'
import { ofProject, readReplicas } from './project.ts'
import { projectOf } from './running-stack.ts'
import { expectedOf, judge, type Replica } from './stability.ts'
import { describe, lastLines, lastWords, wordsOf } from './unstable.ts'

type Given = Stack & { services: readonly string[] }

const LINES = 100
const LIMIT_MS = 10_000

/** What is known of the project without any file. */
type Known = { project: string; names?: readonly string[] | undefined }

export async function stackEvidence(
  ctx: StepContext,
  input: Given,
  known: Known | null,
): Promise<Evidence[]> {
  const project = known?.project ?? (await unlessFailed(projectOf(ctx, input)))
  if (project === null) return [{ name: 'containers', text: 'not there: the project has no name' }]
  const likely = (known?.names ?? []).filter(name => isLikely(input, name))
  const [containers, replicas, early] = await Promise.all([
    table(ctx, input, project),
    unlessFailed(readReplicas(ctx, input, project, null, known?.names)),
    Promise.all(likely.map(async name => [name, await logOf(ctx, input, name)] as const)),
  ])
  const wanted = (replicas ?? []).filter(each => isWanted(input, each))
  const [logs, state] = await Promise.all([
    logsOf(ctx, input, wanted, new Map(early)),
    replicas === null ? [] : suspects(ctx, input, replicas, new Map(early)),
  ])
  return [{ name: 'containers', text: containers }, { name: 'logs', text: logs }, ...state]
}

const isWanted = ({ services }: Given, { service }: Replica) =>
  services.length === 0 || services.includes(service)

/** By its name alone: that of the service is in what Compose calls a container. */
const isLikely = ({ services }: Given, name: string) =>
  services.length === 0 || services.some(service => name.includes(service))

async function table(ctx: StepContext, input: Given, project: string): Promise<string> {
  const format = 'table {{.Names}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}'
  const args = ['ps', '-a', '--format', format, ...ofProject(project)]
  const looking = docker(ctx, canonicalPath(input.dir), args, { ...LOOKING, timeoutMs: LIMIT_MS })
  return plainText((await unlessFailed(looking))?.stdout ?? 'not there')
}

/** `early`: by name, what was asked before anybody knew whether there is such a container. */
async function logsOf(
  ctx: StepContext,
  input: Given,
  replicas: readonly Replica[],
  early: ReadonlyMap<string, string[]>,
): Promise<string> {
  const all = await Promise.all(
    replicas.map(async ({ id, name }) => {
      const said = early.get(name) ?? (await logOf(ctx, input, id))
      return said.map(line => `${name} | ${line}`)
    }),
  )
  return all.flat().join('\n')
}

const logOf = async (ctx: StepContext, input: Given, container: string): Promise<string[]> =>
  (await unlessFailed(lastLines(ctx, input, container, LINES)))?.all ?? ['not there']

/** What is not as it should be, by the engine's own account: the report's `failedService` when nothing named one. */
async function suspects(
  ctx: StepContext,
  input: Given,
  now: readonly Replica[],
  early: ReadonlyMap<string, string[]>,
): Promise<Evidence[]> {
  const first = new Map(now.map(each => [each.id, each]))
  const verdict = judge(expectedOf(now, input.services), first, now)
  if (verdict.good) return []
  const problem = verdict.problems.find(each => each.container !== null)
  const replica = now.find(each => each.id === problem?.container)
  if (!problem || !replica) return []
  const said = early.get(replica.name)
  const words = said ? wordsOf(ctx, said) : (await unlessFailed(lastWords(ctx, input, replica)))?.text
  const failedService = describe(replica, problem.detail, words ?? '')
  return [{ name: 'state', text: problem.detail, facts: { failedService } }]
}

/** What cannot be had is missing from the evidence, and keeps no rollback from happening. */
async function unlessFailed<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return null
  }
}
