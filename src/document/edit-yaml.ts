/** One entry of a map in somebody's YAML file, put in or taken out as whole lines: all others stay as they are. Pure. */
import { isDeepStrictEqual } from 'node:util'
import { Document, isMap, isNode, parseDocument, type YAMLMap } from 'yaml'

/** The map at the top, and the entry in it. */
export type EntryPath = readonly [map: string, name: string]

/** Null if the text cannot be changed without changing anything else, as where the map is not written in lines. */
export function withEntry(text: string, [top, name]: EntryPath, value: unknown): string | null {
  const lines = text === '' || text.endsWith('\n') ? text.split('\n') : `${text}\n`.split('\n')
  const found = mapAt(text, top)
  if (found === null) return null
  const entry = new Document({ [name]: value }).toString({ lineWidth: 0 }).trimEnd().split('\n')
  if (found === 'none') lines.splice(-1, 0, `${top}:`, ...entry.map(line => `  ${line}`))
  else {
    const { indent, after } = found
    if (found.isEmpty) lines[after - 1] = lines[after - 1]!.replace(/\s*\{\s*\}/, '')
    lines.splice(after, 0, ...entry.map(line => ' '.repeat(indent) + line))
  }
  const edited = lines.join('\n')
  const before = yamlValue(text) as object | null
  return isDeepStrictEqual(yamlValue(edited), withValue(before ?? {}, [top, name], value)) ? edited : null
}

/** Null if another value is there than the one that was put in, or it is not written in lines of its own. */
export function withoutEntry(text: string, [top, name]: EntryPath, value: unknown): string | null {
  if (!isDeepStrictEqual(entryAt(yamlValue(text), [top, name]), value)) return null
  const lines = text.split('\n')
  const found = mapAt(text, top)
  if (found === null || found === 'none') return null
  const first = lines.findIndex(line => line.trimEnd() === `${' '.repeat(found.indent)}${name}:`)
  if (first < 0) return null
  const below = ' '.repeat(found.indent + 1)
  const length = lines.slice(first + 1).findIndex(line => !line.startsWith(below))
  lines.splice(first, length + 1)
  if (found.size === 1) lines[first - 1] += ' {}'
  const edited = lines.join('\n')
  return isDeepStrictEqual(yamlValue(edited), withoutValue(yamlValue(text), [top, name])) ? edited : null
}

type Found = { indent: number; after: number; isEmpty: boolean; size: number }

/** Where the entries of the map begin, and the line behind the last of them. */
function mapAt(text: string, top: string): Found | 'none' | null {
  const document = parseDocument(text)
  if (document.errors.length > 0 || !(document.contents === null || isMap(document.contents))) return null
  const pair = document.contents?.items.find(({ key }) => String(key) === top)
  if (pair === undefined) return document.contents?.flow ? null : 'none'
  const map = pair.value as YAMLMap
  if (!isMap(map) || !map.range || !isNode(pair.key)) return null
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  const { items, flow, range } = map
  if (items.length === 0) return { indent: 2, after: lineOf(range[0]), isEmpty: true, size: 0 }
  const [first] = items
  if (flow || !isNode(first?.key) || !first.key.range) return null
  const start = first.key.range[0]
  const indent = start - (text.lastIndexOf('\n', start - 1) + 1)
  // The range of a map ends behind its last line.
  const end = text.slice(0, range[1]).trimEnd().length
  return { indent, after: lineOf(end), isEmpty: false, size: items.length }
}

/** Undefined if the text is not YAML. */
export function yamlValue(text: string): unknown {
  const document = parseDocument(text)
  return document.errors.length > 0 ? undefined : document.toJS()
}

/** Undefined if there is none. */
export const entryAt = (root: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (at, key) => (isRecord(at) && Object.hasOwn(at, key) ? at[key as never] : undefined),
    root,
  )

/** A copy with the value at the path. */
export function withValue(root: object, [key, ...rest]: readonly string[], value: unknown): object {
  if (key === undefined) return root
  const below = entryAt(root, [key])
  const next = rest.length === 0 ? value : withValue(isRecord(below) ? below : {}, rest, value)
  return { ...root, [key]: next }
}

/** A copy without what is at the path. */
export function withoutValue(root: unknown, [key = '', ...rest]: readonly string[]): unknown {
  if (!isRecord(root) || !Object.hasOwn(root, key)) return root
  if (rest.length > 0) return { ...root, [key]: withoutValue(entryAt(root, [key]), rest) }
  return Object.fromEntries(Object.entries(root).filter(([name]) => name !== key))
}

const isRecord = (value: unknown): value is object => typeof value === 'object' && value !== null
