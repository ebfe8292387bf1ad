/** A text as one YAML document with a place for each of its values. Of YAML 1.2 only what `yaml-value.ts` takes. */
import { type Document, isMap, isNode, isScalar, isSeq, type Node, type Pair, parseAllDocuments } from 'yaml'
import { type Diagnostic, error, type Place, type Source } from './diagnostic.ts'
import type { Json } from './json.ts'
import { sourceOffset } from './scalar-offset.ts'
import { syntaxDiagnostic } from './yaml-syntax.ts'
import { keyName, nodePlace, toJson } from './yaml-value.ts'

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

/** `file` of one that is not ok: whole enough to look for more mistakes in it. */
type ReadYaml = { ok: true; file: YamlFile } | { ok: false; diagnostics: Diagnostic[]; file: YamlFile | null }

const EMPTY_HINTS: Readonly<Record<string, string>> = {
  playbook: 'start with `hostops init`, or see the shipped playbooks with `hostops list`',
}

export function readYaml(source: Source, what: string): ReadYaml {
  const deep = firstTooDeep(source.text)
  const documents = deep === -1 ? parseDocuments(source) : null
  if (documents === null) {
    const place = source.place(Math.max(deep, 0), Math.max(deep, 0) + 1)
    return failed([error('yaml-syntax', place, 'this is nested too deeply')])
  }
  const [document, second] = documents
  const syntax = documents.flatMap(each => each.errors.map(mistake => syntaxDiagnostic(mistake, source)))
  if (syntax.length > 0) return failed(syntax)
  if (document?.contents == null || (isScalar(document.contents) && document.contents.value === null)) {
    const comments = document?.contents == null && source.text.trim() !== ''
    const message = comments ? 'the file holds nothing but comments' : 'the file is empty'
    return failed([error('empty', source.place(0, 0), message, { hint: EMPTY_HINTS[what] })])
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
  const conversion = { source, diagnostics, warnings, isIncomplete: false, depth: 0 }
  const value = toJson(document.contents as Node, conversion)
  const file = createFile(source, document.contents as Node, value, warnings)
  if (diagnostics.length === 0) return { ok: true, file }
  return { ok: false, diagnostics, file: conversion.isIncomplete ? null : file }
}

const failed = (diagnostics: Diagnostic[]): ReadYaml => ({ ok: false, diagnostics, file: null })

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
