/**
 * What one expression refers to: `inputs.NAME`, `steps.ID.OUTPUT`, `run.id`, `run.target`, `env.NAME`.
 *
 * Every reference names its thing literally, so that dependencies are known without evaluating. Step ids hold dots
 * and dashes: `steps["git.fetch-2"].sha` always works, `steps.git.fetch.sha` works for ids that are made of names
 * and dots; the longest id that exists and has the output wins.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import { nearest } from '../hostlink/nearest.ts'
import type { OutputType } from '../steps/step.ts'
import type { InputType } from './playbook.ts'

/** Plain JSON, so that a plan can carry it. Nullable: an optional input, or the output of a step that may not run. */
export type ExpressionTypes = {
  inputs: { [name: string]: { type: InputType; nullable: boolean } }
  steps: { [id: string]: { outputs: { [name: string]: OutputType }; nullable: boolean } }
  env: string[]
}

export type CelType = OutputType | 'dyn'

export type Reference = {
  root: 'inputs' | 'steps' | 'run' | 'env'
  name: string
  /** Empty except for steps. */
  output: string
  type: CelType
  start: number
  end: number
  /** Where the name itself stands, for messages. */
  nameStart: number
  nameEnd: number
}

export type ExpressionProblem = {
  message: string
  start: number
  end: number
  hint?: string
  suggestion?: string
  /** The step whose output was asked for. */
  step?: string
}

type Segment = { text: string; start: number; end: number }
type Found = { references: Reference[]; problems: ExpressionProblem[] }

const ROOTS = new Set(['inputs', 'steps', 'run', 'env'])
export const INPUT_CEL_TYPES: Record<InputType, CelType> = {
  string: 'string',
  ref: 'string',
  path: 'string',
  url: 'string',
  duration: 'string',
  secret: 'string',
  boolean: 'bool',
  integer: 'int',
  number: 'double',
}

export function findReferences(ast: ASTNode, source: string, types: ExpressionTypes): Found {
  const found: Found = { references: [], problems: [] }
  visit(ast, new Set(), { source, types, found })
  return found
}

type Walk = { source: string; types: ExpressionTypes; found: Found }

function visit(node: ASTNode, bound: ReadonlySet<string>, walk: Walk): void {
  const chain = chainOf(node)
  if (chain !== null && !bound.has(chain.root)) {
    addReference(chain, node, walk)
    return
  }
  if (node.op === '[]' || node.op === '[?]') {
    visit(node.args[0], bound, walk)
    visit(node.args[1], bound, walk)
  } else if (node.op === '.' || node.op === '.?') {
    visit(node.args[0], bound, walk)
  } else if (node.op === 'call') {
    if (node.args[0] === 'has') checkHas(node.args[1], walk)
    for (const arg of node.args[1]) visit(arg, bound, walk)
  } else if (node.op === 'rcall') {
    visitMethod(node.args, bound, walk)
  } else if (node.op === 'map') {
    for (const [key, value] of node.args) {
      if (key.op === 'value' && key.args === '__proto__') problem(walk, key, 'a map cannot have this key')
      visit(key, bound, walk)
      visit(value, bound, walk)
    }
  } else if (node.op === '!_' || node.op === '-_') {
    visit(node.args, bound, walk)
  } else if (node.op !== 'value' && node.op !== 'id') {
    for (const arg of node.args as readonly ASTNode[]) visit(arg, bound, walk)
  }
}

const BINDING_METHODS = new Set(['all', 'exists', 'exists_one', 'map', 'filter', 'bind'])

function visitMethod(
  [method, receiver, args]: readonly [string, ASTNode, readonly ASTNode[]],
  bound: ReadonlySet<string>,
  walk: Walk,
): void {
  const [first, ...rest] = args
  const isBind = method === 'bind' && receiver.op === 'id' && receiver.args === 'cel'
  if (!isBind) visit(receiver, bound, walk)
  if (first === undefined) return
  if (!BINDING_METHODS.has(method) || first.op !== 'id' || (method === 'bind' && !isBind)) {
    for (const arg of args) visit(arg, bound, walk)
    return
  }
  if (ROOTS.has(first.args) || first.args.startsWith('_')) {
    problem(walk, first, `\`${first.args}\` cannot be the name of a variable here`)
  }
  const inner = new Set([...bound, first.args])
  for (const [index, arg] of rest.entries()) visit(arg, isBind && index === 0 ? bound : inner, walk)
}

function checkHas(args: readonly ASTNode[], walk: Walk): void {
  const [only] = args
  const chain = only === undefined ? null : chainOf(only)
  if (only === undefined || chain === null || !ROOTS.has(chain.root)) return
  if (chain.root !== 'steps' && chain.segments.length <= 1) {
    problem(walk, only, `\`has()\` cannot ask for ${chain.root}`, {
      hint: `compare with null: \`${walk.source.slice(only.start, only.end)} != null\``,
    })
  }
}

/** `a.b["c"]`: the identifier that it starts from and the literal names after it. */
function chainOf(node: ASTNode): { root: string; rootNode: ASTNode; segments: Segment[] } | null {
  const segments: Segment[] = []
  let at = node
  while (at.op !== 'id') {
    if (at.op === '.') {
      segments.unshift({ text: at.args[1], start: at.end - at.args[1].length, end: at.end })
      at = at.args[0]
    } else if (at.op === '[]') {
      const key: ASTNode = at.args[1]
      if (key.op !== 'value' || typeof key.args !== 'string') return null
      segments.unshift({ text: key.args, start: key.start, end: at.end })
      at = at.args[0]
    } else {
      return null
    }
  }
  return { root: at.args, rootNode: at, segments }
}

function addReference(
  { root, rootNode, segments }: { root: string; rootNode: ASTNode; segments: Segment[] },
  node: ASTNode,
  walk: Walk,
): void {
  if (!ROOTS.has(root)) {
    const suggestion = nearest(root, ROOTS) ?? suggestFullName(root, walk.types)
    problem(walk, rootNode, `nothing is called \`${root}\` here`, {
      ...(suggestion === undefined
        ? { hint: 'expressions know inputs, steps, run and env; text stands in quotes' }
        : { suggestion }),
    })
    return
  }
  const [first, second] = segments
  if (first === undefined) {
    problem(walk, node.op === 'id' ? node : rootNode, `\`${root}\` cannot be used as a whole`, {
      hint: WHOLE_HINTS[root] ?? '',
    })
    return
  }
  const target = root === 'steps' ? stepTarget(segments, walk) : plainTarget(root, first, walk)
  if (target === null) return
  const last = segments[target.length - 1]!
  // The reference's own text is replaced before evaluation, so nothing else may stand inside it.
  if (/[()]/.test(walk.source.slice(rootNode.start, last.end).replace(/"[^"]*"|'[^']*'/g, ''))) {
    problem(walk, node, 'write this without parentheses inside it')
    return
  }
  const name = root === 'steps' ? (second === undefined ? first : segments[target.length - 2]!) : first
  walk.found.references.push({
    root: root as Reference['root'],
    name: target.name,
    output: target.output,
    type: target.type,
    start: rootNode.start,
    end: last.end,
    nameStart: first.start,
    nameEnd: trimBracket(walk.source, name),
  })
}

const WHOLE_HINTS: Record<string, string> = {
  inputs: 'name the input: inputs.NAME',
  steps: 'name the step and its output: steps["ID"].OUTPUT',
  run: 'there are run.id and run.target',
  env: 'name the variable: env.NAME',
}

type Target = { name: string; output: string; type: CelType; length: number }

function plainTarget(root: string, segment: Segment, walk: Walk): Target | null {
  const { types } = walk
  const at = { start: segment.start, end: trimBracket(walk.source, segment) }
  const name = segment.text
  if (root === 'inputs') {
    const input = Object.hasOwn(types.inputs, name) ? types.inputs[name] : undefined
    if (input !== undefined) {
      return { name, output: '', type: input.nullable ? 'dyn' : INPUT_CEL_TYPES[input.type], length: 1 }
    }
    problem(walk, at, `no input is called \`${name}\``, suggest(name, Object.keys(types.inputs)))
  } else if (root === 'env') {
    if (types.env.includes(name)) return { name, output: '', type: 'dyn', length: 1 }
    problem(walk, at, `\`${name}\` is not listed under \`env:\``, {
      ...suggest(name, types.env),
      hint: `add ${name} to the playbook's \`env:\` list`,
    })
  } else {
    if (name === 'id' || name === 'target') return { name, output: '', type: 'string', length: 1 }
    problem(walk, at, `\`run\` has no \`${name}\``, { hint: 'there are run.id and run.target' })
  }
  return null
}

function stepTarget(segments: Segment[], walk: Walk): Target | null {
  const { steps } = walk.types
  let known: { id: string; length: number } | null = null
  for (let length = segments.length; length >= 1; length -= 1) {
    const id = segments
      .slice(0, length)
      .map(segment => segment.text)
      .join('.')
    const step = Object.hasOwn(steps, id) ? steps[id] : undefined
    if (step === undefined) continue
    known ??= { id, length }
    const output = segments[length]
    if (output !== undefined && Object.hasOwn(step.outputs, output.text)) {
      const type = step.nullable ? 'dyn' : step.outputs[output.text]!
      return { name: id, output: output.text, type, length: length + 1 }
    }
  }
  if (known === null) unknownStep(segments, walk)
  else unknownOutput(known, segments, walk)
  return null
}

function unknownStep(segments: Segment[], walk: Walk): void {
  const ids = Object.keys(walk.types.steps)
  const named = segments.length > 1 ? segments.slice(0, -1) : segments
  const id = named.map(segment => segment.text).join('.')
  const at = { start: named[0]!.start, end: trimBracket(walk.source, named.at(-1)!) }
  problem(walk, at, `no step is called \`${id}\``, suggest(id, ids))
}

function unknownOutput(known: { id: string; length: number }, segments: Segment[], walk: Walk): void {
  const outputs = Object.keys(walk.types.steps[known.id]!.outputs)
  const output = segments[known.length]
  const list = outputs.length === 0 ? 'it has none' : `it has ${outputs.join(', ')}`
  if (output === undefined) {
    const last = segments.at(-1)!
    const at = { start: segments[0]!.start, end: trimBracket(walk.source, last) }
    problem(walk, at, `name an output of step \`${known.id}\``, { hint: list, step: known.id })
    return
  }
  const at = { start: output.start, end: trimBracket(walk.source, output) }
  problem(walk, at, `step \`${known.id}\` has no output \`${output.text}\``, {
    hint: list,
    step: known.id,
    ...suggest(output.text, outputs),
  })
}

function suggest(name: string, candidates: string[]): { suggestion?: string } {
  const suggestion = nearest(name, candidates)
  return suggestion === undefined ? {} : { suggestion }
}

/** `repoPath` where `inputs.repoPath` was meant. */
function suggestFullName(root: string, types: ExpressionTypes): string | undefined {
  if (Object.hasOwn(types.inputs, root)) return `inputs.${root}`
  if (Object.hasOwn(types.steps, root)) return `steps["${root}"]`
  const near = nearest(root, Object.keys(types.inputs))
  return near === undefined ? undefined : `inputs.${near}`
}

/** The end of a segment without the `]` of a bracket. */
function trimBracket(source: string, segment: Segment): number {
  return source[segment.end - 1] === ']' ? segment.end - 1 : segment.end
}

function problem(
  walk: Walk,
  at: { start: number; end: number },
  message: string,
  more: Pick<ExpressionProblem, 'hint' | 'suggestion' | 'step'> = {},
): void {
  walk.found.problems.push({ message, start: at.start, end: at.end, ...more })
}
