/** An entry of a JSON file. Strict JSON only: a file with comments is for its owner to edit. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { type EntryFormat, type EntryPath, entryAt, withoutValue, withValue } from './entry.ts'
import { isRecord } from './is-record.ts'
import { parseJson } from './json.ts'

export const jsonEntries: EntryFormat = {
  read,
  put(text, path, value) {
    const root = read(text)
    return root === undefined || !leadsThere(root, path) ? null : print(withValue(root, path, value))
  },
  take(text, path, value) {
    const root = read(text)
    if (root === undefined || !isDeepStrictEqual(entryAt(root, path), value)) return null
    return print(withoutEmpty(withoutValue(root, path), path.slice(0, -1)))
  },
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
