/** One text for one value, whatever the order in which its keys were written, and a short name for it. */
import { createHash } from 'node:crypto'
import type { Json } from '../document/json.ts'

export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (value !== null && typeof value === 'object') {
    const keys = Object.keys(value).sort()
    return `{${keys.map(key => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/** 80 bits: enough to notice any difference by accident, short enough to be passed on by a person. */
export const shortHash = (value: Json): string =>
  createHash('sha256').update(canonical(value)).digest('hex').slice(0, 20)
