/**
 * YAML 1.2 core, and of it only what a reviewed file needs: one document of maps, lists, text, numbers and booleans.
 * Anchors, aliases, merge keys, tags and directives are refused, so that what one reads is what runs, and no alias
 * can grow a small file into a large one.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseAllDocuments,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from 'yaml'
import type { Json } from '../steps/step.ts'
import { type Diagnostic, error, type Place, type Source, warning } from './diagnostic.ts'
import { sourceOffset } from './scalar-offset.ts'

export type Path = readonly (string | number)[]

export type YamlFile = {
  source: Source
  warnings: Diagnostic[]
  value: Json
  /** Where the value at a path stands; the nearest enclosing one when there is none. */
  place(path: Path): Place
  /** Where the key stands; the value's place for items of a list. */
  keyPlace(path: Path): Place
  /** Characters of a text value, by offsets into that value. */
  textPlace(path: Path, start: number, end: number): Place
  /** The value is a secret: no line that is shown holds it from now on. */
  hide(path: Path): void
  /** As written, without quotes taken off: `1.10`. */
  written(path: Path): string
}

export type ReadYaml = { ok: true; file: YamlFile } | { ok: false; diagnostics: Diagnostic[] }

const MAX_DEPTH = 32

export function readYaml(source: Source, what: string): ReadYaml {
  const deep = firstTooDeep(source.text)
  const documents = deep === -1 ? parseDocuments(source) : null
  if (documents === null) {
    const place = source.place(Math.max(deep, 0), Math.max(deep, 0) + 1)
    return { ok: false, diagnostics: [error('yaml-syntax', place, 'this is nested too deeply')] }
  }
  const [document, second] = documents
  const syntax = documents.flatMap(each => each.errors.map(mistake => syntaxDiagnostic(mistake, source)))
  if (syntax.length > 0) return { ok: false, diagnostics: syntax }
  if (document?.contents == null || (isScalar(document.contents) && document.contents.value === null)) {
    const hint = `start with \`hostops init\`, or see the shipped playbooks with \`hostops list\``
    const comments = document?.contents == null && source.text.trim() !== ''
    const message = comments ? 'the file holds nothing but comments' : 'the file is empty'
    return { ok: false, diagnostics: [error('empty', source.place(0, 0), message, { hint })] }
  }
  const diagnostics: Diagnostic[] = []
  if (second !== undefined) {
    const start = second.range[0]
    diagnostics.push(error('yaml-unsupported', source.place(start, start + 3), `a ${what} is one document`))
  }
  if (/^%/m.test(source.text.slice(0, document.contents.range?.[0] ?? 0))) {
    diagnostics.push(error('yaml-unsupported', source.place(0, 1), 'YAML directives are not supported'))
  }
  const warnings: Diagnostic[] = []
  const value = toJson(document.contents as Node, { source, diagnostics, warnings, depth: 0 })
  if (diagnostics.length > 0) return { ok: false, diagnostics }
  return { ok: true, file: createFile(source, document.contents as Node, value, warnings) }
}

/** Before parsing, because the parser needs seconds for what no one means. Brackets in text count too, so: many. */
function firstTooDeep(text: string): number {
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (char === '[' || char === '{') depth += 1
    else if ((char === ']' || char === '}') && depth > 0) depth -= 1
    if (depth > 500) return at
  }
  return -1
}

function parseDocuments(source: Source): Document.Parsed[] | null {
  try {
    // Duplicate keys are found below, where the first one can be shown too (and in linear time).
    return parseAllDocuments(source.text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'silent',
    }) as Document.Parsed[]
  } catch (problem) {
    if (problem instanceof RangeError) return null
    throw problem
  }
}

const TAB: [string, string] = ['a tab cannot indent YAML', 'use spaces']
const NOT_ALIGNED: [string, string] = ['this is not indented like its neighbours', 'align it with them']

/** The parser's own words name its grammar; these name what a person sees. */
const SYNTAX_MESSAGES: [RegExp, [string, string?]][] = [
  [/call stack size/, ['this is nested too deeply']],
  [/^Tabs are not allowed|TAB_AS_INDENT/, TAB],
  [/^Flow (sequence|map) in block collection/, ['a list or map in brackets is not closed before here']],
  [/^Flow map .*must.*end with|^Expected flow/, ['a list or map in brackets is not closed before here']],
  [/^Missing closing .?quote/, ['a text in quotes is not closed before here']],
  [/^A (block )?sequence may not be used as an implicit map key|^A collection cannot be both/, NOT_ALIGNED],
  [/without - indicator|should not have preceding|must start at the same column|not indented/, NOT_ALIGNED],
  [/^Nested mappings are not allowed/, ['a second `:` on one line', 'put the text in quotes']],
  [
    /^Implicit (map )?keys need to be (on a single line|followed by map values)/,
    ['a key and a `:` are expected here'],
  ],
]

function syntaxDiagnostic(mistake: YAMLError, source: Source): Diagnostic {
  const begin =
    mistake.pos[0] + /^[ ]*/.exec(source.text.slice(mistake.pos[0], mistake.pos[0] + 200))![0].length
  const place = source.place(begin, Math.max(mistake.pos[1], begin + 1))
  const theirs = mistake.message.split('\n')[0]!.replace(/:$/, '')
  const otherwise = theirs.charAt(0).toLowerCase() + theirs.slice(1)
  const indent = /^ *\t/.exec(place.text)
  if (indent !== null) {
    const tab = begin - place.start.column + indent[0].length
    return error('yaml-syntax', source.place(tab, tab + 1), TAB[0], { hint: TAB[1] })
  }
  const [message, hint] = SYNTAX_MESSAGES.find(([pattern]) => pattern.test(theirs))?.[1] ?? [otherwise]
  return error('yaml-syntax', place, message, { hint })
}

type Conversion = { source: Source; diagnostics: Diagnostic[]; warnings: Diagnostic[]; depth: number }

function toJson(node: Node | null, conversion: Conversion): Json {
  if (node === null) return null
  const refuse = (message: string, hint?: string, mark?: string): null =>
    unsupported(node, conversion, message, hint, mark)
  if (isAlias(node)) return refuse('aliases are not supported', 'write the value out, or use `defaults:`')
  if (node.anchor !== undefined && node.anchor !== '') {
    return refuse(
      `anchors (\`&${node.anchor}\`) are not supported`,
      'write the value out, or use `defaults:`',
      `&${node.anchor}`,
    )
  }
  // Only what is tagged in the file has a tag here.
  if (node.tag !== undefined) {
    const written = node.tag.replace('tag:yaml.org,2002:', '!!')
    return refuse(`tags (\`${written}\`) are not supported`, undefined, written)
  }
  if (conversion.depth > MAX_DEPTH) return refuse('this is nested too deeply')
  if (isScalar(node)) return scalarToJson(node, refuse)
  const deeper = { ...conversion, depth: conversion.depth + 1 }
  if (isMap(node)) return mapToJson(node, deeper)
  return node.items.map(item => toJson(isNode(item) ? item : null, deeper))
}

function unsupported(
  node: Node,
  { source, diagnostics }: Conversion,
  message: string,
  hint: string | undefined,
  mark: string | undefined,
): null {
  // What makes a node special stands before its range.
  const before = mark === undefined ? -1 : source.text.lastIndexOf(mark[0]!, node.range?.[0] ?? 0)
  const place = before === -1 ? nodePlace(node, source) : source.place(before, before + mark!.length)
  diagnostics.push(error('yaml-unsupported', place, message, { hint }))
  return null
}

function mapToJson(map: YAMLMap, conversion: Conversion): Json {
  const { source, diagnostics, warnings } = conversion
  const entries: [string, Json][] = []
  const seen = new Map<string, Node>()
  for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
    const name = keyName(key)
    if (name === null || name === '<<' || name === '$expr' || name === '$text') {
      const what =
        name === null ? 'a key must be text' : name === '<<' ? 'merge keys are not supported' : null
      const message = what ?? `the key \`${name}\` is reserved`
      diagnostics.push(error('yaml-unsupported', nodePlace(key, source), message))
      continue
    }
    const last = entries.at(-1)
    if (map.flow && value === null && last && isRestOfDescription(name, last)) {
      last[1] = `${last[1]}, ${name}`
      const message = 'between braces a comma starts a new key: this is read as the rest of the description'
      warnings.push(warning('yaml-comma', nodePlace(key, source), message, 'put the text in quotes'))
      continue
    }
    const first = seen.get(name)
    if (first !== undefined) {
      const related = [{ ...nodePlace(first, source), message: 'first here' }]
      diagnostics.push(
        error('duplicate-key', nodePlace(key, source), `the key \`${name}\` stands here twice`, { related }),
      )
    }
    seen.set(name, key)
    if (key.anchor || key.tag) toJson(key, conversion)
    entries.push([name, toJson(value, conversion)])
  }
  return Object.fromEntries(entries)
}

/** Prose has commas, keys have no blanks, and a description changes nothing: what was meant is certain. */
const isRestOfDescription = (name: string, [key, value]: [string, Json]): boolean =>
  key === 'description' && typeof value === 'string' && name.includes(' ')

function keyName(key: Node): string | null {
  return isScalar(key) && typeof key.value === 'string' ? key.value : null
}

/** Everything but tab and line feed below space; DEL to C1; what turns text around; halves of characters. */
const FORBIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

function scalarToJson(node: Scalar, refuse: (message: string, hint?: string) => null): Json {
  const { value } = node
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return refuse('a number must be finite')
    const exact = !Number.isInteger(value) || Number.isSafeInteger(value)
    return exact ? value : refuse('this number is too large to be exact', 'quote it if it is text')
  }
  if (typeof value === 'string') {
    const bad = FORBIDDEN.exec(value)
    if (bad === null) return value
    const code = `U+${value.charCodeAt(bad.index).toString(16).toUpperCase().padStart(4, '0')}`
    return refuse(`text cannot hold the control character ${code}`)
  }
  if (typeof value === 'boolean' || value === null) return value
  return refuse('this is neither text, a number, true nor false')
}

function nodePlace(node: Node, source: Source): Place {
  const [start, end] = node.range ?? [0, 0]
  return source.place(start, end)
}

function createFile(source: Source, root: Node, value: Json, warnings: Diagnostic[]): YamlFile {
  const find = (path: Path): { node: Node | null; key: Node | null; exact: boolean } => {
    let node: Node | null = root
    let key: Node | null = null
    for (const part of path) {
      const inner: { node: Node | null; key: Node | null } | null = childOf(node, part)
      if (inner === null) return { node: node ?? key, key, exact: false }
      node = inner.node
      key = inner.key ?? node
    }
    return { node: node ?? key, key, exact: true }
  }
  return {
    source,
    warnings,
    value,
    place(path) {
      const { node, key, exact } = find(path)
      // A whole map as the place of what it lacks would underline half a file: its key says it as well.
      return nodePlace((exact ? node : (key ?? firstKey(node))) ?? root, source)
    },
    keyPlace(path) {
      const { node, key } = find(path)
      return nodePlace(key ?? firstKey(node) ?? root, source)
    },
    textPlace(path, start, end) {
      const { node } = find(path)
      if (!isScalar(node)) return nodePlace(node ?? root, source)
      return source.place(sourceOffset(node, source.text, start), sourceOffset(node, source.text, end))
    },
    hide(path) {
      const { node, exact } = find(path)
      if (exact && node?.range) source.hide(node.range[0], node.range[1])
    },
    written(path) {
      const [start, end] = find(path).node?.range ?? [0, 0]
      return source.text.slice(start, end)
    },
  }
}

/** Of maps that were looked into, because a large one may hold thousands of mistakes. */
const pairsOf = new WeakMap<Node, Map<string | null, Pair<Node, Node | null>>>()

function childOf(node: Node | null, part: string | number): { node: Node | null; key: Node | null } | null {
  if (isMap(node)) {
    const items = node.items as Pair<Node, Node | null>[]
    const pairs = pairsOf.get(node) ?? new Map(items.map(pair => [keyName(pair.key), pair]))
    pairsOf.set(node, pairs)
    const pair = pairs.get(String(part))
    return pair === undefined ? null : { node: pair.value, key: pair.key }
  }
  if (isSeq(node) && typeof part === 'number') {
    const item = node.items[part]
    return isNode(item) ? { node: item, key: null } : null
  }
  return null
}

function firstKey(node: Node | null): Node | null {
  return isMap(node) ? ((node.items[0]?.key as Node | undefined) ?? node) : node
}
