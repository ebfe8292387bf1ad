/**
 * From what a caller gives to the values that a run has: command line over `--inputs` file over settings over
 * default. Pinned values are the host owner's: a caller who gives one is told, even when it is the same value, so
 * that nobody can find out a pinned secret by trying. All problems are told at once.
 */

import type { Json } from '../document/json.ts'
import { nearest } from '../document/nearest.ts'
import { Failed, type InputProblem } from '../failure.ts'
import { dependencies, type Scope } from './expression.ts'
import {
  type Candidate,
  type Given,
  type InputOrigin,
  type InputSources,
  readCommandLine,
  readInputsFile,
  shownName,
} from './given-inputs.ts'
import { type CheckedInput, checkInput, inputFromText } from './input-value.ts'
import { expressionTypes } from './load.ts'
import type { InputSpec, Playbook } from './playbook.ts'
import { evaluate } from './resolve.ts'
import { hasExpressions } from './template.ts'

type ResolvedInputs =
  | { ok: true; values: { [name: string]: Json }; origins: { [name: string]: InputOrigin } }
  | { ok: false; problems: InputProblem[] }

export async function resolveInputs(playbook: Playbook, sources: InputSources): Promise<ResolvedInputs> {
  const problems: InputProblem[] = []
  const fromFile = await readInputsFile(sources, problems)
  const fromCommandLine = await readCommandLine(sources, playbook, problems)
  const given: Given = new Map()
  for (const [name, json] of Object.entries(sources.settings ?? {}))
    given.set(name, { origin: 'settings', json })
  for (const [name, candidate] of [...fromFile, ...fromCommandLine]) {
    if (Object.hasOwn(sources.pinned ?? {}, name)) {
      problems.push({
        input: name,
        problem: 'pinned',
        detail: 'its value is fixed in the settings of this host',
      })
    }
    given.set(name, candidate)
  }
  for (const [name, json] of Object.entries(sources.pinned ?? {})) given.set(name, { origin: 'pinned', json })
  return settle(playbook, given, problems)
}

function settle(playbook: Playbook, given: Given, problems: InputProblem[]): ResolvedInputs {
  const values: { [name: string]: Json } = {}
  const origins: { [name: string]: InputOrigin } = {}
  // Prototype names are no inputs: `in` would find them, `hasOwn` does not.
  for (const [name, candidate] of given)
    if (!Object.hasOwn(playbook.inputs, name)) problems.push(unknownInput(playbook, name, candidate))
  for (const [name, spec] of Object.entries(playbook.inputs)) {
    const candidate = given.get(name)
    const checked =
      candidate === undefined ? fromDefault(playbook, name, spec, values) : checkGiven(spec, candidate)
    if (checked === null) continue
    const origin = originOf(spec, candidate)
    if (checked.ok) {
      values[name] = checked.value
      origins[name] = origin
    } else {
      const problem = origin === 'none' ? 'missing' : 'ill-typed'
      problems.push({ input: name, problem, detail: checked.detail, ...whence(candidate) })
    }
  }
  return problems.length === 0 ? { ok: true, values, origins } : { ok: false, problems }
}

function unknownInput(playbook: Playbook, name: string, candidate: Candidate | null): InputProblem {
  const suggestion = nearest(name, Object.keys(playbook.inputs))
  return {
    input: shownName(name),
    problem: 'unknown',
    detail: `${playbook.name} has no such input`,
    ...whence(candidate),
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}

const originOf = (spec: InputSpec, candidate: Candidate | null | undefined): InputOrigin =>
  candidate?.origin ?? (spec.default === undefined ? 'none' : 'default')

/** Who gave nothing wrong has to be told where it stands. */
const whence = (candidate: Candidate | null | undefined): { inSettings?: true } =>
  candidate?.origin === 'settings' || candidate?.origin === 'pinned' ? { inSettings: true } : {}

function checkGiven(spec: InputSpec, candidate: Candidate | null): CheckedInput | null {
  if (candidate === null) return null
  return 'text' in candidate ? inputFromText(spec, candidate.text) : checkInput(spec, candidate.json)
}

/** Null: it cannot be told, because an input that it depends on is wrong, which is told already. */
function fromDefault(
  playbook: Playbook,
  name: string,
  spec: InputSpec,
  values: { [name: string]: Json },
): CheckedInput | null {
  if (spec.default === undefined) {
    if (spec.optional) return { ok: true, value: null }
    const description = spec.description === undefined ? '' : `: ${spec.description}`
    return { ok: false, detail: `needs a ${spec.type}${description}` }
  }
  if (!hasExpressions(spec.default)) return checkInput(spec, spec.default as Json)
  const known: Scope = { types: expressionTypes(playbook), inputs: values, steps: {}, run: {}, env: {} }
  if (dependencies(spec.default, known.types).inputs.some(each => !Object.hasOwn(values, each))) return null
  try {
    const checked = checkInput(spec, evaluate(spec.default, known, `inputs.${name}.default`))
    return checked.ok ? checked : { ok: false, detail: `its default ${checked.detail}` }
  } catch (error) {
    if (!(error instanceof Failed) || error.failure.code !== 'expression-failed') throw error
    return { ok: false, detail: `its default cannot be computed: ${error.failure.problem}` }
  }
}
