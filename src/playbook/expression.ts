/**
 * `${{ ... }}` through CEL.
 *
 * Before CEL sees an expression, each reference in it (`inputs.ref`, `steps["git.fetch"].sha`) is replaced by a
 * variable of the reference's declared type, padded to the same length: errors keep their positions, one constant
 * environment serves every playbook, and no value can be reached that the reference walk did not allow.
 *
 * - An optional input without a value, an output of a step that did not run and an unset `env` name are null:
 *   test them with `inputs.tag != null`.
 * - `integer` is CEL's int, `number` is CEL's double; whole numbers inside `list` and `map` outputs are ints.
 * - A value that is one whole expression keeps its type. In text, null, lists and maps are refused, never guessed.
 */
import { type Context, Environment } from '@marcbachmann/cel-js'
import type { Json } from '../document/json.ts'
import { Failed } from '../failure.ts'
import { once } from '../steps/contract/once.ts'
import { bareReference, readVariable } from './bare-reference.ts'
import { fromCel, toCel } from './cel-value.ts'
import { findReferences } from './find-references.ts'
import type { Template } from './playbook.ts'
import type { CelType, ExpressionProblem, ExpressionTypes, Reference } from './reference.ts'
import { expressionsOf } from './template.ts'

/** What is known. Absent names are not known yet; null means known to be without a value. */
export type Scope = {
  types: ExpressionTypes
  inputs: { [name: string]: Json }
  steps: { [id: string]: { [output: string]: Json } }
  run: { id?: string | undefined; target?: string | undefined }
  /** What is not here is not set. */
  env: { [name: string]: string }
}

type Dependencies = {
  inputs: string[]
  steps: string[]
  run: string[]
  env: string[]
  /** Those of `inputs` that are secrets. */
  secrets: string[]
}

type CheckedExpression =
  | { ok: true; type: string; references: Reference[] }
  | { ok: false; problems: ExpressionProblem[]; references: Reference[] }

/** The longest expression; beyond it, computing belongs into a script. */
const MAX_EXPRESSION = 4096
const VARIABLES_PER_TYPE = 32
const ANSWER_MS = 1000
/** What can take long: a pattern that repeats what is repeated itself, and lists within lists. */
const LONG = /\b(matches|all|exists|exists_one|map|filter)\b/
const PREFIX: Record<CelType, string> = {
  string: '_s',
  int: '_i',
  double: '_d',
  bool: '_b',
  list: '_l',
  map: '_m',
  dyn: '_y',
}

/** Everything about one expression that can be known before anything runs. */
export function checkExpression(source: string, types: ExpressionTypes): CheckedExpression {
  const parsed = parse(source, types)
  if (!parsed.ok) return parsed
  const checked = parsed.run.check()
  if (checked.valid) return { ok: true, type: checked.type ?? 'dyn', references: parsed.references }
  const problem = celProblem(checked.error, source)
  const cut = parsed.references.find(({ start, end }) => start < problem.end && problem.end < end)
  if (cut !== undefined) problem.end = cut.end
  return { ok: false, problems: [problem], references: parsed.references }
}

/** Throws `Failed` (`expression-failed`) when the value cannot be computed. Everything it needs must be known. */
export function evaluateExpression(source: string, known: Scope, where: string): Json {
  const fail = (problem: string): never => {
    throw new Failed({ code: 'expression-failed', where, expression: source, problem })
  }
  const parsed = parse(source, known.types)
  if (!parsed.ok) return fail(parsed.problems[0]!.message)
  const context: Context = {}
  for (const [index, reference] of parsed.references.entries()) {
    const value = lookUp(reference, known)
    if (value === undefined) return fail(`${describe(reference)} is not known here`)
    context[parsed.names[index]!] = toCel(value, declaredType(reference, known.types))
  }
  let result: unknown
  try {
    result = LONG.test(source) ? inTime(() => parsed.run(context)) : parsed.run(context)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return fail(tooLong(source))
    return fail(celProblem(error, source).message)
  }
  const json = fromCel(result)
  return json.ok ? json.value : fail(json.problem)
}

function tooLong(source: string): string {
  const cause = /\bmatches\b/.test(source)
    ? 'its pattern repeats what is repeated itself, or much text'
    : 'it goes through lists within lists'
  return `no answer within ${ANSWER_MS / 1000} s: ${cause}`
}

/** Nothing in our own context ends what takes for ever: V8 interrupts what runs in another one, with all that it calls. */
function inTime(work: () => unknown): unknown {
  const { runInNewContext } = process.getBuiltinModule('node:vm')
  return runInNewContext('work()', { work }, { timeout: ANSWER_MS })
}

/** What a template needs before it can be evaluated. Names that do not exist are left out. */
export function dependencies(template: Template, types: ExpressionTypes): Dependencies {
  const sets = {
    inputs: new Set<string>(),
    steps: new Set<string>(),
    run: new Set<string>(),
    env: new Set<string>(),
  }
  for (const source of expressionsOf(template)) {
    for (const reference of parse(source, types).references) sets[reference.root].add(reference.name)
  }
  const inputs = [...sets.inputs]
  return {
    inputs,
    steps: [...sets.steps],
    run: [...sets.run],
    env: [...sets.env],
    secrets: inputs.filter(name => types.inputs[name]?.type === 'secret'),
  }
}

/** Whether every reference of the expression has a value, or is known to have none. */
export function isKnown(source: string, known: Scope): boolean {
  return parse(source, known.types).references.every(reference => lookUp(reference, known) !== undefined)
}

function lookUp(reference: Reference, known: Scope): Json | undefined {
  const { root, name, output } = reference
  if (root === 'inputs') return own(known.inputs, name)
  if (root === 'env') return own(known.env, name) ?? null
  if (root === 'run') return own(known.run, name)
  const outputs = own(known.steps, name)
  if (outputs === undefined) return undefined
  return own(outputs, output) ?? (known.types.steps[name]?.nullable ? null : undefined)
}

function own<T>(record: { [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}

/** The type behind `dyn`, so that a nullable integer is still an int. */
function declaredType({ root, name, output }: Reference, types: ExpressionTypes): CelType {
  if (root === 'inputs') return types.inputs[name]?.type === 'number' ? 'double' : 'dyn'
  return root === 'steps' ? (types.steps[name]?.outputs[output] ?? 'dyn') : 'dyn'
}

function describe({ root, name, output }: Reference): string {
  return root === 'steps' ? `output ${output} of step ${name}` : `${root}.${name}`
}

type Program = {
  (context?: Context): unknown
  check(): { valid: boolean; type?: string; error?: unknown }
}

type Parsed =
  | { ok: true; run: Program; references: Reference[]; names: string[] }
  | { ok: false; problems: ExpressionProblem[]; references: Reference[] }

/** Parsing is pure, and planning asks for the same expressions several times. */
const parsedByTypes = new WeakMap<ExpressionTypes, Map<string, Parsed>>()

function parse(source: string, types: ExpressionTypes): Parsed {
  const known = parsedByTypes.get(types) ?? new Map<string, Parsed>()
  parsedByTypes.set(types, known)
  const parsed = known.get(source) ?? parseAnew(source, types)
  known.set(source, parsed)
  return parsed
}

function parseAnew(source: string, types: ExpressionTypes): Parsed {
  const refuse = (problem: ExpressionProblem): Parsed => ({ ok: false, problems: [problem], references: [] })
  if (source.length > MAX_EXPRESSION) {
    return refuse({ message: `longer than ${MAX_EXPRESSION} characters`, start: 0, end: 1 })
  }
  try {
    const bare = bareReference(source)
    const ast = bare ?? environment().parse(source).ast
    const { references, problems } = findReferences(ast, source, types)
    if (problems.length > 0) return { ok: false, problems, references }
    const { text, names } = withVariables(source, references)
    if (names.length < references.length) {
      return refuse({ message: 'this refers to too many things', start: 0, end: source.length })
    }
    const [only] = references
    const isVariable = bare !== null && only?.end === source.length
    const run: Program = isVariable ? readVariable(names[0]!, only) : environment().parse(text)
    return { ok: true, run, references, names }
  } catch (error) {
    return refuse(celProblem(error, source))
  }
}

const environment = once(() => {
  const made = new Environment({
    homogeneousAggregateLiterals: false,
    limits: { maxAstNodes: 2_000, maxDepth: 64 },
  })
  for (const [type, prefix] of Object.entries(PREFIX)) {
    for (let index = 0; index < VARIABLES_PER_TYPE; index += 1) {
      made.registerVariable(`${prefix}${index}`, type)
    }
  }
  return made
})

/** The expression with each reference replaced by a variable; `names` is shorter when they run out. */
function withVariables(source: string, references: Reference[]): { text: string; names: string[] } {
  const used = new Map<string, number>()
  const names: string[] = []
  let text = source
  for (const { type, start, end } of references) {
    const index = used.get(type) ?? 0
    if (index >= VARIABLES_PER_TYPE) break
    used.set(type, index + 1)
    const name = `${PREFIX[type]}${index}`
    names.push(name)
    text = text.slice(0, start) + name.padEnd(end - start) + text.slice(end)
  }
  return { text, names }
}

type CelError = { summary?: unknown; range?: { start: number; end: number }; message?: unknown }

function celProblem(error: unknown, source: string): ExpressionProblem {
  const { summary, range, message } = error as CelError
  const text = String(summary ?? message ?? 'cannot be evaluated')
    .replace(/\s+/g, ' ')
    .replace(/google\.protobuf\./g, '')
    .replace(/^Unexpected token: EOF$|, got EOF$/, match =>
      match.startsWith(',') ? ' before its end' : 'the expression ends too early',
    )
  const start = Math.min(range?.start ?? 0, source.length)
  const end = Math.min(Math.max(range?.end ?? source.length, start + 1), source.length)
  return {
    message: text.charAt(0).toLowerCase() + text.slice(1),
    start: Math.min(start, Math.max(0, end - 1)),
    end,
  }
}
