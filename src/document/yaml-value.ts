/**
 * Of YAML only what a reviewed file needs: maps, lists, text, numbers and booleans. Anchors, aliases, merge keys and
 * tags are refused, so that what one reads is what runs, and no alias can grow a small file into a large one.
 */
import { isAlias, isMap, isNode, isScalar, type Node, type Pair, type Scalar, type YAMLMap } from 'yaml'
import { type Diagnostic, error, type Place, type Source, warning } from './diagnostic.ts'
import type { Json } from './json.ts'

type Conversion = {
  source: Source
  diagnostics: Diagnostic[]
  warnings: Diagnostic[]
  /** Something was left out of the value, so that what is wrong with the rest may only follow from that. */
  isIncomplete: boolean
  depth: number
}

const MAX_DEPTH = 32

export function toJson(node: Node | null, conversion: Conversion): Json {
  if (node === null) return null
  const report = (message: string, hint?: string, mark?: string): void =>
    unsupported(node, conversion, message, hint, mark)
  const refuse = (message: string, hint?: string): null => {
    report(message, hint)
    conversion.isIncomplete = true
    return null
  }
  if (isAlias(node)) return refuse('aliases are not supported', INSTEAD)
  // What they name is not said, because a value in want of quotes looks like them: `default: !s3cret`.
  if (node.anchor !== undefined && node.anchor !== '')
    report('anchors are not supported', INSTEAD, `&${node.anchor}`)
  // Only what is tagged in the file has a tag here.
  if (node.tag !== undefined) {
    const tag = writtenTag(node.tag)
    report('tags are not supported', tag.startsWith('!!') ? undefined : QUOTES, tag)
  }
  if (conversion.depth > MAX_DEPTH) return refuse('this is nested too deeply')
  if (isScalar(node)) return scalarToJson(node, report)
  conversion.depth += 1
  const value = isMap(node)
    ? mapToJson(node, conversion)
    : node.items.map(item => toJson(isNode(item) ? item : null, conversion))
  conversion.depth -= 1
  return value
}

const INSTEAD = 'write the value out, or use `defaults:`'
const QUOTES = 'a text that begins with `!` stands in quotes'

const writtenTag = (tag: string) => tag.replace('tag:yaml.org,2002:', '!!')

function unsupported(
  node: Node,
  { source, diagnostics }: Conversion,
  message: string,
  hint: string | undefined,
  mark: string | undefined,
): void {
  // What makes a node special stands before its range.
  const before = mark === undefined ? -1 : source.text.lastIndexOf(mark[0]!, node.range?.[0] ?? 0)
  const place = before === -1 ? nodePlace(node, source) : source.place(before, before + mark!.length)
  diagnostics.push(error('yaml-unsupported', place, message, { hint }))
}

function mapToJson(map: YAMLMap, conversion: Conversion): Json {
  const { source, diagnostics, warnings } = conversion
  const entries: [string, Json][] = []
  const seen = new Map<string, Node>()
  for (const { key, value } of map.items as Pair<Node, Node | null>[]) {
    const name = keyName(key)
    const refusal = refusalOf(name)
    if (name === null || refusal !== null) {
      diagnostics.push(error('yaml-unsupported', nodePlace(key, source), refusal ?? 'a key must be text'))
      conversion.isIncomplete = true
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

function refusalOf(key: string | null): string | null {
  if (key === '<<') return 'merge keys are not supported'
  return key === '$expr' || key === '$text' ? `the key \`${key}\` is reserved` : null
}

/** Prose has commas, keys have no blanks, and a description changes nothing: what was meant is certain. */
const isRestOfDescription = (name: string, [key, value]: [string, Json]): boolean =>
  key === 'description' && typeof value === 'string' && name.includes(' ')

/** Null when the key is no text. */
export function keyName(key: Node): string | null {
  return isScalar(key) && typeof key.value === 'string' ? key.value : null
}

/** Everything but tab and line feed below space; DEL to C1; what turns text around; halves of characters. */
const FORBIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** What cannot stand there is told, and goes on as if it could, so that no other mistake follows from it. */
function scalarToJson(node: Scalar, report: (message: string, hint?: string) => void): Json {
  const { value } = node
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) report('a number must be finite')
    else if (Number.isInteger(value) && !Number.isSafeInteger(value))
      report('this number is too large to be exact', 'quote it if it is text')
    return value
  }
  if (typeof value === 'string') {
    const bad = FORBIDDEN.exec(value)
    if (bad === null) return value
    const code = `U+${value.charCodeAt(bad.index).toString(16).toUpperCase().padStart(4, '0')}`
    report(`text cannot hold the control character ${code}`)
    return value
  }
  if (typeof value === 'boolean' || value === null) return value
  report('this is neither text, a number, true nor false')
  return null
}

export function nodePlace(node: Node, source: Source): Place {
  const [start, end] = node.range ?? [0, 0]
  return source.place(start, end)
}
