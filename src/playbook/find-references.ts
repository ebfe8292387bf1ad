/** Goes through an expression for what it refers to, and for what it must not do. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { nearest } from '../document/nearest.ts'
import type { ExpressionTypes, Reference } from './reference.ts'
import {
  type FoundReferences,
  plainTarget,
  problem,
  type Segment,
  stepTarget,
  suggestFullName,
  trimBracket,
  type Walk,
} from './reference-target.ts'

const ROOTS = new Set(['inputs', 'steps', 'run', 'env'])

export function findReferences(ast: ASTNode, source: string, types: ExpressionTypes): FoundReferences {
  const found: FoundReferences = { references: [], problems: [] }
  visit(ast, new Set(), { source, types, found })
  return found
}

function visit(node: ASTNode, bound: ReadonlySet<string>, walk: Walk): void {
  const chain = chainOf(node)
  if (chain !== null && !bound.has(chain.root)) {
    addReference(chain, node, walk)
  } else if (node.op === 'rcall') {
    visitMethod(node.args, bound, walk)
  } else {
    if (node.op === 'call' && node.args[0] === 'has') checkHas(node.args[1], walk)
    if (node.op === 'map') checkKeys(node.args, walk)
    for (const each of insideOf(node)) visit(each, bound, walk)
  }
}

function insideOf(node: Exclude<ASTNode, { op: 'rcall' }>): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case '!_':
    case '-_':
      return [node.args]
    case 'call':
      return node.args[1]
    case 'map':
      return node.args.flat()
    default:
      return node.args as readonly ASTNode[]
  }
}

function checkKeys(entries: readonly (readonly [ASTNode, ASTNode])[], walk: Walk): void {
  for (const [key] of entries)
    if (key.op === 'value' && key.args === '__proto__') problem(walk, key, 'a map cannot have this key')
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
