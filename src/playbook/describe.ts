/** A playbook for those who call it: its typed inputs, and where each value comes from unless they give one. */
import type { Json } from '../document/json.ts'
import type { InputSpec, InputType, Playbook, Template } from './playbook.ts'
import type { Settings } from './settings.ts'
import { isExpression, isInterpolated } from './template.ts'

export type ValueOrigin = 'pinned' | 'settings' | 'default' | 'none' | 'caller'

export type DescribedInput = {
  name: string
  type: InputType
  description: string | null
  /** `caller`: it must be given. `none`: it may be left out. `pinned`: it may not be given. */
  from: ValueOrigin
  /** Expressions stand as they are written; the values of secrets never show. */
  value: Json
  pattern?: string
  oneOf?: readonly Json[]
}

export function describeInputs(
  playbook: Playbook,
  settings: Pick<Settings, 'inputs' | 'pinned'>,
): DescribedInput[] {
  const pinned = ownValues(settings.pinned, playbook.name)
  const given = ownValues(settings.inputs, playbook.name)
  return Object.entries(playbook.inputs).map(([name, spec]) => {
    const [from, value] = source(name, spec, pinned, given)
    return {
      name,
      type: spec.type,
      description: spec.description ?? null,
      from,
      value: spec.type === 'secret' && value !== null ? '***' : value,
      ...(spec.pattern === undefined ? {} : { pattern: spec.pattern }),
      ...(spec.oneOf === undefined || spec.type === 'secret' ? {} : { oneOf: spec.oneOf }),
    }
  })
}

/** As it was written: `${{ inputs.repoPath }}/x`. */
export function writtenTemplate(template: Template): Json {
  if (typeof template !== 'object' || template === null) return template
  if (isExpression(template)) return `\${{ ${template.$expr} }}`
  if (isInterpolated(template)) {
    return template.$text.map(part => (typeof part === 'string' ? part : writtenTemplate(part))).join('')
  }
  if (Array.isArray(template)) return template.map(writtenTemplate)
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, writtenTemplate(value)]))
}

/** The input with its value among these, if it has one there. That of a secret never shows. */
export function withValueFrom(
  from: ValueOrigin,
  values: Readonly<Record<string, unknown>>,
  input: DescribedInput,
): DescribedInput {
  if (!Object.hasOwn(values, input.name)) return input
  return { ...input, from, value: input.type === 'secret' ? '***' : (values[input.name] as Json) }
}

type Values = { [input: string]: Json }

function source(name: string, spec: InputSpec, pinned: Values, given: Values): [ValueOrigin, Json] {
  if (Object.hasOwn(pinned, name)) return ['pinned', pinned[name]!]
  if (Object.hasOwn(given, name)) return ['settings', given[name]!]
  if (spec.default !== undefined) return ['default', writtenTemplate(spec.default)]
  return [spec.optional ? 'none' : 'caller', null]
}

export function ownValues(values: { [playbook: string]: Values }, name: string): Values {
  return Object.hasOwn(values, name) ? values[name]! : {}
}
