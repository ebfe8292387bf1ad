/** Which thing a chain of names means, and what to say where there is none of that name. */
import { nearest } from '../document/nearest.ts'
import {
  type CelType,
  type ExpressionProblem,
  type ExpressionTypes,
  INPUT_CEL_TYPES,
  type Reference,
} from './reference.ts'

export type Segment = { text: string; start: number; end: number }
export type FoundReferences = { references: Reference[]; problems: ExpressionProblem[] }
export type Walk = { source: string; types: ExpressionTypes; found: FoundReferences }

/** What a chain of names leads to; `length`: how many of its names belong to that. */
type Target = { name: string; output: string; type: CelType; length: number }

export function plainTarget(root: string, segment: Segment, walk: Walk): Target | null {
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

export function stepTarget(segments: Segment[], walk: Walk): Target | null {
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
export function suggestFullName(root: string, types: ExpressionTypes): string | undefined {
  if (Object.hasOwn(types.inputs, root)) return `inputs.${root}`
  if (Object.hasOwn(types.steps, root)) return `steps["${root}"]`
  const near = nearest(root, Object.keys(types.inputs))
  return near === undefined ? undefined : `inputs.${near}`
}

/** The end of a segment without the `]` of a bracket. */
export function trimBracket(source: string, segment: Segment): number {
  return source[segment.end - 1] === ']' ? segment.end - 1 : segment.end
}

export function problem(
  walk: Walk,
  at: { start: number; end: number },
  message: string,
  more: Pick<ExpressionProblem, 'hint' | 'suggestion' | 'step'> = {},
): void {
  walk.found.problems.push({ message, start: at.start, end: at.end, ...more })
}
