/** What is kept before a rollback replaces the containers that failed. */
import { Failed } from '../failure.ts'
import { compose, LOOKING, type Stack } from './compose.ts'
import { plainText } from './plain-text.ts'
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
  return kept
}
