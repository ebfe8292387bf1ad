/**
 * The JSON Schemas that editors complete and check from, generated from the same zod schemas that loading uses.
 * Draft 7, because that is what YAML language servers know best. An editor may accept what `hostops validate`
 * refuses (a missing field that `defaults` might supply, a wrong expression), never the other way round.
 */
import * as z from 'zod'
import { isRecord } from '../document/is-record.ts'
import type { Kinds } from './load-steps.ts'
import { shortFormFields } from './load-steps.ts'
import { playbookFields, stepFields } from './playbook-schema.ts'
import { settingsSchema } from './settings.ts'

type JsonSchema = { [key: string]: unknown }

const DRAFT = 'http://json-schema.org/draft-07/schema#'
const EXPRESSION = { type: 'string', pattern: '\\$\\{\\{', description: 'An expression: ${{ inputs.NAME }}' }

export function playbookJsonSchema(kinds: Kinds): JsonSchema {
  const fields = toSchema(z.strictObject(playbookFields()))
  const { properties, required } = fields as { properties: Record<string, JsonSchema>; required: string[] }
  return {
    $schema: DRAFT,
    title: 'hostops playbook',
    description: 'A reviewed, declarative upgrade playbook, format 1.',
    type: 'object',
    properties: {
      ...properties,
      onFailure: allowExpressions(properties['onFailure']!),
      defaults: defaultsSchema(properties['defaults']!, kinds),
      steps: {
        type: 'array',
        minItems: 1,
        description: 'What is done, in this order.',
        items: { $ref: '#/definitions/step' },
      },
    },
    required: [...required, 'steps'],
    additionalProperties: false,
    definitions: {
      step: stepSchema(kinds),
      ...Object.fromEntries(Object.entries(kinds).map(([uses, kind]) => [uses, withSchema(kind.schema())])),
    },
  }
}

export function settingsJsonSchema(): JsonSchema {
  const schema = toSchema(settingsSchema())
  return { $schema: DRAFT, title: 'hostops settings', description: 'hostops.config.yaml', ...schema }
}

/** Any zod schema as a document of its own. */
export function documentSchema(schema: z.ZodType, title: string): JsonSchema {
  return { $schema: DRAFT, title, ...toSchema(schema) }
}

function toSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
  })
  return clean(rest) as JsonSchema
}

/** Without what only says how large a JavaScript number can be, and without our own notes. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key, each]) => !(/^(max|min)imum$/.test(key) && Math.abs(Number(each)) === Number.MAX_SAFE_INTEGER),
      )
      .filter(([key]) => key !== 'propertyNames')
      .map(([key, each]) => [key, clean(each)]),
  )
}

/** A kind's `with`: nothing in it is required here, because `defaults` may supply it. */
function withSchema(schema: z.ZodType): JsonSchema {
  const { required: _, ...rest } = toSchema(schema)
  const properties = rest['properties'] as Record<string, JsonSchema> | undefined
  if (properties === undefined) return allowExpressions(rest)
  return { ...rest, properties: mapValues(properties, allowExpressions) }
}

function stepSchema(kinds: Kinds): JsonSchema {
  const common = (toSchema(z.strictObject(stepFields())) as { properties: Record<string, JsonSchema> })
    .properties
  const own = { ...fieldsOf(kinds, 'command'), ...fieldsOf(kinds, 'script') }
  const short = Object.fromEntries(shortFormFields(kinds).map(field => [field, own[field] ?? {}]))
  const uses = Object.values(kinds).map(({ uses, summary }) => ({ const: uses, description: summary }))
  return {
    type: 'object',
    properties: {
      uses: { description: 'The kind of step.', type: 'string', anyOf: uses },
      with: { type: 'object', description: 'What this kind of step takes.' },
      run: {
        ...own['argv'],
        description: 'A program and its arguments, each as one word: no shell takes part.',
      },
      script: { ...own['script'], description: 'Shell text. Values reach it through `env:`.' },
      ...short,
      ...common,
      env: { ...common['env'], additionalProperties: { type: 'string' } },
    },
    additionalProperties: false,
    oneOf: [{ required: ['uses'] }, { required: ['run'] }, { required: ['script'] }],
    allOf: Object.keys(kinds).map(name => ({
      if: { properties: { uses: { const: name } }, required: ['uses'] },
      // biome-ignore lint/suspicious/noThenProperty: JSON Schema's word.
      then: { properties: { with: { $ref: `#/definitions/${name}` } } },
    })),
  }
}

function fieldsOf(kinds: Kinds, name: string): Record<string, JsonSchema> {
  const schema = kinds[name]?.schema()
  return schema === undefined ? {} : ((withSchema(schema)['properties'] as Record<string, JsonSchema>) ?? {})
}

/** Every field that some kind has, with the schemas of all kinds that have it. */
function defaultsSchema(described: JsonSchema, kinds: Kinds): JsonSchema {
  const fields = new Map<string, Map<string, JsonSchema>>()
  for (const name of Object.keys(kinds)) {
    for (const [field, schema] of Object.entries(fieldsOf(kinds, name))) {
      const variants = fields.get(field) ?? new Map<string, JsonSchema>()
      fields.set(field, variants.set(JSON.stringify(schema), schema))
    }
  }
  const properties = [...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, variants]) => {
      const [first, ...more] = variants.values()
      return [field, more.length === 0 ? first : { anyOf: [first, ...more] }]
    })
  return {
    type: 'object',
    description: described['description'],
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  }
}

/** Where something other than free text is wanted, an expression may stand instead. */
function allowExpressions(schema: JsonSchema): JsonSchema {
  const { literal, ...rest } = schema
  if (literal !== undefined) return rest
  const inner = allowInside(rest)
  if (isFreeText(inner)) return inner
  const { description, default: value, ...own } = inner
  const outer = {
    ...(description === undefined ? {} : { description }),
    ...(value === undefined ? {} : { default: value }),
  }
  const branches = Array.isArray(own['anyOf']) && Object.keys(own).length === 1 ? own['anyOf'] : [own]
  return { ...outer, anyOf: [...branches, EXPRESSION] }
}

function allowInside(schema: JsonSchema): JsonSchema {
  const inside: JsonSchema = { ...schema }
  if (isRecord(schema['items'])) inside['items'] = allowExpressions(schema['items'])
  if (isRecord(schema['additionalProperties']))
    inside['additionalProperties'] = allowExpressions(schema['additionalProperties'])
  if (isRecord(schema['properties']))
    inside['properties'] = mapValues(schema['properties'] as Record<string, JsonSchema>, allowExpressions)
  for (const key of ['anyOf', 'oneOf'] as const) {
    const branches = schema[key]
    if (Array.isArray(branches)) inside[key] = branches.map(branch => allowInside(branch as JsonSchema))
  }
  return inside
}

function isFreeText(schema: JsonSchema): boolean {
  const bound = ['pattern', 'enum', 'const', 'format', 'anyOf', 'oneOf', 'allOf'].some(key => key in schema)
  return (
    (schema['type'] === 'string' && !bound) ||
    Object.keys(schema).every(key => key === 'description' || key === 'default')
  )
}

function mapValues(
  record: Record<string, JsonSchema>,
  map: (schema: JsonSchema) => JsonSchema,
): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
