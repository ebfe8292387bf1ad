/** A strict little piece of JSONPath: `$.a.b[0]['c']`, one place and never several. */
import type { Json } from '../../document/json.ts'

type JsonPath = readonly (string | number)[]

/** Null when the text is not such a path. */
export function parseJsonPath(text: string): JsonPath | null {
  if (!text.startsWith('$')) return null
  const path: (string | number)[] = []
  let rest = text.slice(1)
  while (rest !== '') {
    const match = /^\.([A-Za-z_][A-Za-z0-9_-]*)|^\[(0|[1-9][0-9]{0,8})\]|^\['([^'\\]*)'\]/.exec(rest)
    if (match === null) return null
    path.push(match[2] === undefined ? (match[1] ?? match[3] ?? '') : Number(match[2]))
    rest = rest.slice(match[0].length)
  }
  return path
}

/** Undefined when there is nothing at that place. */
export function valueAt(value: Json, path: JsonPath): Json | undefined {
  let at: Json | undefined = value
  for (const part of path) {
    if (at === null || typeof at !== 'object') return undefined
    if (typeof part === 'number') at = Array.isArray(at) ? at[part] : undefined
    else at = Array.isArray(at) || !Object.hasOwn(at, part) ? undefined : at[part]
  }
  return at
}
