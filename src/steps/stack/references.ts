/** The files that a compose file names for Compose to read. Pure. */

import { posix } from 'node:path'
import { type Document, isAlias, isNode, parseAllDocuments, visit } from 'yaml'
import { isRecord, recordOf } from '../../document/is-record.ts'

export type FileReference = {
  how: 'include' | 'extends' | 'env_file' | 'label_file'
  /** Null: the whole stack. */
  service: string | null
  /** As it is written. */
  name: string
  /** What relative names in that file are relative to; null: the folder that the file lies in. */
  folder: string | null
  /** Compose reads it where it is there, and names it nowhere. */
  implied?: true
}

/** Tags of Compose's own, which ours does not know. */
const COMPOSE_TAGS = /^Unresolved tag: !(reset|override)\b/
const TAGS = /^(!reset|!override|tag:yaml\.org,2002:str)$/
/** Elsewhere `*a:b` is one name for ours, and an alias with a value for the YAML of Compose. */
const ANCHOR = /^[A-Za-z0-9_-]+$/

/** What ends a line for the YAML of Compose, and not for ours. */
const OTHER_LINES = /[\u0085\u2028\u2029]|\r(?!\n)/

/** Null: not plain YAML. */
export function referencesIn(text: string): FileReference[] | null {
  if (/[\u0000\ufffd]|^%TAG/m.test(text) || OTHER_LINES.test(text)) return null
  try {
    const documents = parseAllDocuments(text, { merge: true, version: '1.2', uniqueKeys: true })
    if (!Array.isArray(documents)) return []
    return documents.flatMap(document => {
      if (document.errors.length > 0) throw document.errors[0]
      const strange = document.warnings.find(({ message }) => !COMPOSE_TAGS.test(message))
      if (strange) throw strange
      if (!isPlain(document)) throw new Error('not plain')
      return referencesOf(document.toJS({ maxAliasCount: 10_000 }))
    })
  } catch {
    return null
  }
}

/** Whatever is not plain YAML, Compose might read in another way than we do. */
function isPlain(document: Document.Parsed): boolean {
  let plain = true
  visit(document, (_, node) => {
    if (!isNode(node)) return undefined
    const anchor = isAlias(node) ? node.source : node.anchor
    plain = (anchor === undefined || ANCHOR.test(anchor)) && (node.tag === undefined || TAGS.test(node.tag))
    return plain ? undefined : visit.BREAK
  })
  return plain
}

function referencesOf(root: unknown): FileReference[] {
  if (!isRecord(root)) return []
  const services = Object.entries(recordOf(root['services']))
  return [
    ...list(root['include']).flatMap(includes),
    ...services.flatMap(([service, value]) => (isRecord(value) ? ofService(service, value) : [])),
  ]
}

function includes(entry: unknown): FileReference[] {
  const long = isRecord(entry) ? entry : { path: entry }
  const names = list(long['path']).filter(isText)
  const folder = isText(long['project_directory']) ? long['project_directory'] : null
  const home = folder ?? posix.dirname(names[0] ?? '.')
  const own = list(long['env_file']).filter(isText)
  const env = own.length > 0 ? own : [`${home}/.env`]
  return [
    ...names.map((name): FileReference => ({ how: 'include', service: null, name, folder: home })),
    ...env.map(
      (name): FileReference => ({
        how: 'env_file',
        service: null,
        name,
        folder: null,
        ...(own.length > 0 ? {} : { implied: true as const }),
      }),
    ),
  ]
}

function ofService(service: string, value: Record<string, unknown>): FileReference[] {
  const file = isRecord(value['extends']) ? value['extends']['file'] : undefined
  const read = (how: 'env_file' | 'label_file') =>
    list(value[how]).flatMap((each): FileReference[] => {
      const name = isRecord(each) ? each['path'] : each
      return isText(name) ? [{ how, service, name, folder: null }] : []
    })
  return [
    ...(isText(file) ? [{ how: 'extends' as const, service, name: file, folder: null }] : []),
    ...read('env_file'),
    ...read('label_file'),
  ]
}

const list = (value: unknown): unknown[] =>
  value === null || value === undefined ? [] : Array.isArray(value) ? value : [value]
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
