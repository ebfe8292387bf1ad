/** What a build may reach beyond its own context. Pure. */
import { isRecord } from '../../../document/is-record.ts'
import { type Power, power, text, unknownField } from '../../stack/power.ts'
import { filePowers, type Resolve } from './host-paths.ts'

const HARMLESS: ReadonlySet<string> = new Set(
  'args dockerfile_inline labels no_cache platforms pull shm_size target ulimits'.split(' '),
)

export function buildPowers(name: string, value: unknown, resolve: Resolve): Power[] {
  if (!isRecord(value)) return unknownField(name, 'build', value)
  return Object.entries(value).flatMap(([field, each]) =>
    each === null || each === undefined || HARMLESS.has(field) ? [] : one(name, field, each, value, resolve),
  )
}

function one(
  name: string,
  field: string,
  value: unknown,
  build: Record<string, unknown>,
  resolve: Resolve,
): Power[] {
  const full = `build.${field}`
  switch (field) {
    case 'context':
      return contextPowers(name, full, value, resolve)
    case 'dockerfile':
      return filePowers(name, full, below(text(build['context'] ?? ''), text(value)), resolve)
    case 'additional_contexts':
      return named(value).flatMap(context => contextPowers(name, full, context, resolve))
    case 'secrets':
      // Each of them is judged where it is defined.
      return []
    case 'privileged':
      return value === false ? [] : unknownField(name, full, value)
    default:
      return unknownField(name, full, value)
  }
}

function contextPowers(name: string, field: string, value: unknown, resolve: Resolve): Power[] {
  const from = text(value)
  if (from.startsWith('service:')) return []
  if (/^(\/|[A-Za-z]:[\\/])/.test(from)) return filePowers(name, field, from, resolve)
  return [power(name, field, `${name} would build from ${from}`, from)]
}

const named = (value: unknown): unknown[] => {
  if (isRecord(value)) return Object.values(value)
  return (Array.isArray(value) ? value : [value]).map(each => text(each).replace(/^[^=]*=/, ''))
}

const below = (folder: string, name: string) => (name.startsWith('/') ? name : `${folder}/${name}`)
