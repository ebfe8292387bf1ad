/** The values of a run that goes on: what its plan kept, and the secrets, which no file keeps and which are given again. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Json } from '../document/json.ts'
import { Failed } from '../failure.ts'
import { inputsFileName, parseInputsFile } from '../playbook/given-inputs.ts'
import { resolveInputs } from '../playbook/inputs.ts'
import type { Surroundings } from '../process/surroundings.ts'
import type { Kept } from '../runs/stored-plan.ts'

/** Throws `Failed` when a secret is missing, or when anything but a secret is given. */
export async function secretInputs(
  { plan, playbook }: Kept,
  { input, inputs }: { input: readonly string[]; inputs?: string | undefined },
  { cwd }: Surroundings,
): Promise<{ [name: string]: Json }> {
  const secrets = Object.entries(playbook.inputs).filter(([, spec]) => spec.type === 'secret')
  if (secrets.length === 0 && input.length === 0) return plan.inputs
  const known = inputs === undefined ? {} : readObject(resolve(cwd, inputs))
  const fromFile = Object.fromEntries(
    secrets.flatMap(([name]) => (name in known ? [[name, known[name]!]] : [])),
  )
  const onlySecrets = { ...playbook, inputs: Object.fromEntries(secrets) }
  const resolved = await resolveInputs(onlySecrets, { commandLine: input, settings: fromFile, cwd })
  if (!resolved.ok) throw new Failed({ code: 'inputs-invalid', problems: resolved.problems })
  return { ...plan.inputs, ...resolved.values }
}

/** May hold the other inputs of the run as well; only secrets are taken from it. */
function readObject(file: string): { [name: string]: Json } {
  const wrong = (problem: string) =>
    new Failed({ code: 'usage', what: 'inputs-file', file: inputsFileName(file), problem })
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw wrong(`cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  const parsed = parseInputsFile(text)
  if (!parsed.ok) throw wrong(parsed.problem)
  return parsed.values
}
