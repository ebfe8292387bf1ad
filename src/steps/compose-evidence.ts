/** What is kept before a rollback replaces the containers that failed. */
import { Failed } from '../failure.ts'
import { compose, LOOKING, type Stack } from './compose.ts'
import { readProject, readReplicas } from './compose-project.ts'
import { describe, lastWords } from './compose-unstable.ts'
import { plainText } from './plain-text.ts'
import { judge } from './stability.ts'
import type { Evidence, StepContext } from './step.ts'

export async function stackEvidence(
  ctx: StepContext,
  input: Stack & { services: readonly string[] },
): Promise<Evidence[]> {
  const commands: [string, string[]][] = [
    ['containers', ['ps', '-a', ...input.services]],
    ['logs', ['logs', '--no-color', '--timestamps', '--tail', '100', ...input.services]],
  ]
  const kept: Evidence[] = []
  for (const [name, args] of commands) {
    try {
      const { stdout } = await compose(ctx, input, args, {
        ...LOOKING,
        keepBytes: 256 * 1024,
        timeoutMs: 10_000,
      })
      kept.push({ name, text: plainText(stdout) })
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      kept.push({ name, text: `not there: ${error.failure.code}` })
    }
  }
  return [...kept, ...(await suspects(ctx, input))]
}

/** What is not as it should be, by the engine's own account: the report's `failedService` when nothing named one. */
async function suspects(
  ctx: StepContext,
  input: Stack & { services: readonly string[] },
): Promise<Evidence[]> {
  try {
    const project = await readProject(ctx, input, input.services)
    const names = project.reach.map(service => service.name)
    const now = await readReplicas(ctx, input, project.name, names)
    const first = new Map(now.map(each => [each.id, each]))
    const verdict = judge(project.reach, first, now)
    if (verdict.good) return []
    const problem = verdict.problems.find(each => each.container !== null)
    const replica = now.find(each => each.id === problem?.container)
    if (!problem || !replica) return []
    const { text } = await lastWords(ctx, input, replica.id)
    const failedService = describe(replica, problem.detail, text)
    return [{ name: 'state', text: problem.detail, facts: { failedService } }]
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return []
  }
}
