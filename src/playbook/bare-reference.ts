/**
 * `inputs.ref`, `steps["git.fetch"].sha`: what most expressions are, taken apart without CEL, which is slow to load.
 * The tree is the one that CEL would make; null for everything else, what CEL refuses included.
 */
import type { ASTNode } from '@marcbachmann/cel-js'
import type { CelType, Reference } from './reference.ts'

const WHOLE = /^(?:inputs|steps|run|env)(?:\.[A-Za-z_]\w*|\["[\w.-]*"\]){1,16}$/
const PART = /\.(\w+)|\[("[^"]*")\]/g
/** Words of CEL's own even behind a dot. */
const RESERVED = new Set(['in', 'true', 'false', 'null'])

export function bareReference(source: string): ASTNode | null {
  if (!WHOLE.test(source)) return null
  const [root] = /^\w+/.exec(source)!
  let node: object = { op: 'id', args: root, start: 0, end: root.length }
  for (const { index, 0: text, 1: name, 2: quoted } of source.slice(root.length).matchAll(PART)) {
    if (name !== undefined && RESERVED.has(name)) return null
    const start = root.length + index
    const end = start + text.length
    node =
      quoted === undefined
        ? { op: '.', args: [node, name], start: 0, end }
        : {
            op: '[]',
            args: [node, { op: 'value', args: quoted.slice(1, -1), start: start + 1, end: end - 1 }],
            start: 0,
            end,
          }
  }
  return node as ASTNode
}

/** What CEL makes of an expression that is one variable. */
export function readVariable(name: string, { type }: Reference) {
  const read = (context?: Record<string, unknown>): unknown => context?.[name]
  return Object.assign(read, { check: (): { valid: true; type: CelType } => ({ valid: true, type }) })
}
