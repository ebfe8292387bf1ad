/** Checks the fields of a request; says which one is wrong and why. */
import type { z } from 'zod'

export type Checked<T> = { readonly value: T } | { readonly wrong: string }

export function checkFields<T extends z.ZodType>(
  schema: T,
  fields: Readonly<Record<string, unknown>>,
): Checked<z.output<T>> {
  const result = schema.safeParse(fields)
  if (result.success) return { value: result.data }
  const issue = result.error.issues[0]
  if (!issue) return { wrong: 'invalid' }
  // A bad key is reported as such; why it is bad stands one level deeper.
  const detail = issue.code === 'invalid_key' ? (issue.issues[0] ?? issue) : issue
  const reason = detail.message.replace(/^Invalid input: /, '')
  return { wrong: issue.path.length === 0 ? reason : `${issue.path.map(String).join('.')}: ${reason}` }
}
