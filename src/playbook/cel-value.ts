/** Values on their way into CEL and back. Nothing changes its type silently: what JSON cannot hold is refused. */
import type { Json } from '../document/json.ts'
import type { CelType } from './reference.ts'

type FromCel = { ok: true; value: Json } | { ok: false; problem: string }

export function toCel(value: Json, type: CelType): unknown {
  if (typeof value === 'number')
    return type !== 'double' && Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(item => toCel(item, 'dyn'))
  if (typeof value === 'object' && value !== null) {
    // A Map, because a hostile key like `constructor` means something in a plain object.
    return new Map(Object.entries(value).map(([key, item]) => [key, toCel(item, 'dyn')]))
  }
  return value
}

export function fromCel(value: unknown): FromCel {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return { ok: true, value }
  if (typeof value === 'bigint') {
    const number = Number(value)
    if (Number.isSafeInteger(number)) return { ok: true, value: number }
    return { ok: false, problem: `${value} is beyond the whole numbers that JSON holds exactly` }
  }
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return { ok: true, value }
    return { ok: false, problem: 'the result is not a finite number' }
  }
  if (Array.isArray(value)) return list(value)
  if (value instanceof Map) return map([...value.entries()])
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return map(Object.entries(value))
  }
  return { ok: false, problem: 'the result is neither text, a number, true or false, a list nor a map' }
}

function list(items: unknown[]): FromCel {
  const values: Json[] = []
  for (const item of items) {
    const converted = fromCel(item)
    if (!converted.ok) return converted
    values.push(converted.value)
  }
  return { ok: true, value: values }
}

function map(entries: [unknown, unknown][]): FromCel {
  const values: [string, Json][] = []
  for (const [key, item] of entries) {
    if (typeof key !== 'string') return { ok: false, problem: 'the keys of a map must be text' }
    // These keys mark templates, and a result must never be read as one.
    if (key === '$expr' || key === '$text') return { ok: false, problem: `a map cannot have the key ${key}` }
    const converted = fromCel(item)
    if (!converted.ok) return converted
    values.push([key, converted.value])
  }
  return { ok: true, value: Object.fromEntries(values) }
}
