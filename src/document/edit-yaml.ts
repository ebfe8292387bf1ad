/**
 * An entry of a map at the top of a YAML file, put in or taken out as whole lines: all others stay as they are, and a map
 * that is not written in lines is not edited. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import { Document, isMap, isNode, parseDocument, type YAMLMap } from 'yaml'
import { type EntryFormat, type EntryPath, entryAt, withoutValue, withValue } from './entry.ts'

export const yamlEntries: EntryFormat = {
  read,
  put(text, path, value) {
    const there = entryAt(read(text), path)
    const without = there === undefined ? text : take(text, path, there)
    return without === null ? null : add(without, path, value)
  },
  take,
}

function add(text: string, [top = '', name = '']: EntryPath, value: unknown): string | null {
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
  const before = read(text) as object | null
  return isDeepStrictEqual(read(edited), withValue(before ?? {}, [top, name], value)) ? edited : null
}

function take(text: string, [top = '', name = '']: EntryPath, value: unknown): string | null {
  if (!isDeepStrictEqual(entryAt(read(text), [top, name]), value)) return null
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
  return isDeepStrictEqual(read(edited), withoutValue(read(text), [top, name])) ? edited : null
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

function read(text: string): unknown {
  const document = parseDocument(text)
  return document.errors.length > 0 ? undefined : document.toJS()
}
