/** One entry of somebody's file, by the keys that lead to it: in values, and what a format does in texts. Pure. */
import { isRecord } from './is-record.ts'

export type EntryPath = readonly string[]

export type EntryFormat = {
  /** Undefined if the text cannot be read. */
  read(text: string): unknown
  /** The text with this value there. Null if it cannot be put in without changing anything else. */
  put(text: string, path: EntryPath, value: unknown): string | null
  /** The text without it. Null if another value is there, or it cannot be taken out alone. */
  take(text: string, path: EntryPath, value: unknown): string | null
}

/** Undefined if there is none. */
export const entryAt = (root: unknown, path: EntryPath): unknown =>
  path.reduce<unknown>((at, key) => (isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined), root)

/** A copy with the value at the path. */
export function withValue(root: object, [key, ...rest]: EntryPath, value: unknown): object {
  if (key === undefined) return root
  const below = entryAt(root, [key])
  const next = rest.length === 0 ? value : withValue(isRecord(below) ? below : {}, rest, value)
  return { ...root, [key]: next }
}

/** A copy without what is at the path. */
export function withoutValue(root: unknown, [key = '', ...rest]: EntryPath): unknown {
  if (!isRecord(root) || !Object.hasOwn(root, key)) return root
  if (rest.length > 0) return { ...root, [key]: withoutValue(root[key], rest) }
  return Object.fromEntries(Object.entries(root).filter(([name]) => name !== key))
}
