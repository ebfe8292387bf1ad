/** What editors make of the kinds: the JSON Schema says what each field is for. */
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { kinds } from '../../src/steps/index.ts'

type Schema = {
  type?: string
  properties?: Record<string, { description?: string }>
  additionalProperties?: unknown
}

describe.each(Object.entries(kinds))('%s', (uses, kind) => {
  const schema = z.toJSONSchema(kind.schema(), { io: 'input' }) as Schema
  test('is registered under its own name, with one line that says what it does', () => {
    expect(kind.uses).toBe(uses)
    expect(kind.summary).toMatch(/^[A-Z].*\.$/)
  })
  test('describes every field and takes no other', () => {
    expect(schema.type).toBe('object')
    expect(schema.additionalProperties).toBe(false)
    const silent = Object.entries(schema.properties ?? {}).filter(([, field]) => !field.description)
    expect(silent.map(([name]) => name)).toEqual([])
  })
  test('refuses an unknown field', () => {
    const parsed = kind.schema().safeParse({ hostile: 1 })
    expect(parsed.error?.issues.some(issue => issue.code === 'unrecognized_keys')).toBe(true)
  })
})
