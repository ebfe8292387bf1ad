/** The inputs of a playbook as a JSON Schema, for the tool that runs it. Clients need not enforce it. Pure. */
import type { DescribedInput } from '../../playbook/describe.ts'
import { INPUT_MEANING } from '../../playbook/input-value.ts'
import type { InputType } from '../../playbook/playbook.ts'
import { printable } from '../../wording/printable.ts'

export type JsonSchema = { [key: string]: unknown }

/** Pinned inputs are not the caller's to give, and are not shown. */
export function inputsSchema(inputs: readonly DescribedInput[]): JsonSchema {
  const free = inputs.filter(({ from }) => from !== 'pinned')
  const required = free.filter(({ from }) => from === 'caller').map(({ name }) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(free.map(input => [input.name, inputSchema(input)])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  }
}

function inputSchema(input: DescribedInput): JsonSchema {
  const { type, description, pattern, oneOf } = input
  const jsonType = JSON_TYPES[type] ?? 'string'
  const hint = type === 'secret' ? 'a secret: never shown again' : INPUT_MEANING[type]
  return {
    type: jsonType,
    description: printable(
      [description ?? '', `(${[hint, valueHint(input)].filter(Boolean).join('; ')})`].join(' ').trim(),
    ),
    ...(oneOf === undefined ? {} : { enum: oneOf }),
    ...(jsonType === 'string' && pattern !== undefined && isPattern(pattern)
      ? { pattern: whole(pattern) }
      : {}),
    ...(type === 'secret' ? { writeOnly: true } : {}),
    ...(isPlainValue(input, jsonType) ? { default: input.value } : {}),
  }
}

const JSON_TYPES: Partial<Record<InputType, string>> = {
  boolean: 'boolean',
  integer: 'integer',
  number: 'number',
}

/** An expression is computed from other inputs: as a `default`, clients would send its text. */
function isPlainValue({ type, from, value }: DescribedInput, jsonType: string): boolean {
  if (type === 'secret' || (from !== 'default' && from !== 'settings')) return false
  if (typeof value === 'string') return jsonType === 'string' && !value.includes('${{')
  return typeof value === (jsonType === 'integer' ? 'number' : jsonType)
}

function valueHint({ type, from, value }: DescribedInput): string {
  if (from === 'caller') return ''
  if (from === 'none' || type === 'secret') return 'optional'
  return typeof value === 'string' && value.includes('${{') ? `when left out: ${value}` : ''
}

const whole = (pattern: string) => `^(?:${pattern})$`

/** A host may say anything, and a client that cannot compile one pattern may refuse all tools. */
function isPattern(pattern: string): boolean {
  try {
    new RegExp(whole(pattern), 'u')
    return true
  } catch {
    return false
  }
}
