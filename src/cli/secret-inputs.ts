/** The values of a run that goes on: what its plan kept, and the secrets, which no file keeps and which are given again. */
import { Failed } from '../failure.ts'
import { resolveInputs } from '../playbook/inputs.ts'
import type { Json } from '../steps/step.ts'
import type { Io } from './io.ts'
import type { Kept } from './kept-run.ts'

/** Throws `Failed` when a secret is missing, or when anything but a secret is given. */
export async function secretInputs(
  { plan, playbook }: Kept,
  given: readonly string[],
  io: Io,
): Promise<{ [name: string]: Json }> {
  const secrets = Object.entries(playbook.inputs).filter(([, spec]) => spec.type === 'secret')
  if (secrets.length === 0 && given.length === 0) return plan.inputs
  const onlySecrets = { ...playbook, inputs: Object.fromEntries(secrets) }
  const resolved = await resolveInputs(onlySecrets, { commandLine: given, cwd: io.cwd })
  if (!resolved.ok) throw new Failed({ code: 'inputs-invalid', problems: resolved.problems })
  return { ...plan.inputs, ...resolved.values }
}
