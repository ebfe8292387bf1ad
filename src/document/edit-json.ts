/** An entry of a JSON file, by the keys that lead to it. Strict JSON only: a file with comments is for its owner to edit. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { isRecord } from './is-record.ts'
import { parseJson } from './json.ts'

export type EntryPath = readonly string[]

/** Undefined if there is none, or the text cannot be read. */
export const jsonEntry = (text: string, path: EntryPath): unknown => entryAt(read(text), path)

/** The text with this value there. Null if it cannot be put in without changing anything else. */
export function putJsonEntry(text: string, path: EntryPath, value: unknown): string | null {
  const root = read(text)
  return root === undefined || !leadsThere(root, path) ? null : print(withValue(root, path, value))
}

/** The text without it. Null if another value is there. */
export function takeJsonEntry(text: string, path: EntryPath, value: unknown): string | null {
  const root = read(text)
  if (root === undefined || !isDeepStrictEqual(entryAt(root, path), value)) return null
  return print(withoutEmpty(withoutValue(root, path), path.slice(0, -1)))
}

function read(text: string): object | undefined {
  const value = text.trim() === '' ? {} : parseJson(text)
  return isRecord(value) ? value : undefined
}

/** Only maps are on the way, as far as anything is. */
const leadsThere = (root: object, path: EntryPath): boolean =>
  path.every((_, at) => {
    const there = entryAt(root, path.slice(0, at))
    return there === undefined || isRecord(there)
  })

/** Maps that held nothing else go with it. */
function withoutEmpty(root: unknown, path: EntryPath): unknown {
  const isEmpty = path.length > 0 && isDeepStrictEqual(entryAt(root, path), {})
  return isEmpty ? withoutEmpty(withoutValue(root, path), path.slice(0, -1)) : root
}

const print = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

const entryAt = (root: unknown, path: EntryPath): unknown =>
  path.reduce<unknown>((at, key) => (isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined), root)

/** A copy with the value at the path. */
function withValue(root: object, [key, ...rest]: EntryPath, value: unknown): object {
  if (key === undefined) return root
  const below = entryAt(root, [key])
  const next = rest.length === 0 ? value : withValue(isRecord(below) ? below : {}, rest, value)
  return { ...root, [key]: next }
}

/** A copy without what is at the path. */
function withoutValue(root: unknown, [key = '', ...rest]: EntryPath): unknown {
  if (!isRecord(root) || !Object.hasOwn(root, key)) return root
  if (rest.length > 0) return { ...root, [key]: withoutValue(root[key], rest) }
  return Object.fromEntries(Object.entries(root).filter(([name]) => name !== key))
}
