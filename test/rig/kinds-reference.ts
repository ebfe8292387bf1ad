/** The README's table of step kinds, from their own schemas. */
import * as z from 'zod'
import type { StepKind } from '../../src/steps/contract/step.ts'

type Schema = {
  description?: string
  default?: unknown
  properties?: Record<string, Schema>
  required?: string[]
}

export function kindsReference(kinds: Readonly<Record<string, StepKind>>): string {
  return Object.values(kinds)
    .map(kind => {
      const schema = z.toJSONSchema(kind.schema(), { io: 'input', unrepresentable: 'any' }) as Schema
      const required = new Set(schema.required)
      const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => {
        const value = required.has(name)
          ? 'required'
          : field.default === undefined
            ? ''
            : `\`${JSON.stringify(field.default).replace(/^"(.*)"$/, '$1')}\``
        return `| \`${name}\` | ${value} | ${(field.description ?? '').replaceAll('|', '\\|')} |`
      })
      const outputs = Object.entries(kind.outputs).map(([name, type]) => `\`${name}\` (${type})`)
      return [
        `### \`${kind.uses}\``,
        '',
        kind.summary,
        '',
        ...(rows.length > 0 ? ['| field | default | meaning |', '| --- | --- | --- |', ...rows, ''] : []),
        ...(outputs.length > 0 ? [`Outputs: ${outputs.join(', ')}.`, ''] : []),
      ].join('\n')
    })
    .join('\n')
}
