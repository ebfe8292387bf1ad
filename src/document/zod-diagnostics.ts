/**
 * Zod's issues as diagnostics on the characters that caused them.
 *
 * Expressions are validated by the very same schemas: each stands in the checked value as a symbol, which no schema
 * accepts, and the issue that this raises tells which types the field wants. An expression whose CEL type fits is
 * excused; its value is validated again, by the same schema, once it is known.
 */
import type { core } from 'zod'
import { type Diagnostic, error, type Place } from './diagnostic.ts'
import { nearest } from './nearest.ts'
import type { Path } from './yaml-file.ts'

/** `symbol` marks an expression; its CEL type, or null where no expression may stand. */
type Probed = {
  value: unknown
  celType(symbol: symbol): string | null
  /** The characters of the first expression behind a symbol. */
  expressionPlace(symbol: symbol): Place | undefined
  place(path: Path): Place
  keyPlace(path: Path): Place
  written(path: Path): string
  keysAt(path: Path): string[]
  /** Why no expression may stand here, as what to do instead. */
  literalHint?(path: Path): string | undefined
  /** Overrides for keys whose absence or presence has a better explanation than "unknown". */
  explainKey?(key: string, path: Path): { message: string; hint?: string } | undefined
}

type Issue = core.$ZodIssue

export function zodDiagnostics(issues: readonly Issue[], probed: Probed): Diagnostic[] {
  return issues.flatMap(issue => diagnose(issue, [], probed))
}

function diagnose(issue: Issue, base: Path, probed: Probed): Diagnostic[] {
  const path = [...base, ...issue.path] as Path
  const value = valueAt(probed.value, path)
  if (typeof value === 'symbol') return diagnoseExpression(issue, path, value, probed)
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey(key, path, probed))
  if (issue.code === 'invalid_union') return diagnoseUnion(issue, path, probed)
  if (issue.code === 'invalid_key') {
    const detail = issue.issues[0]?.message ?? 'not a name that can stand here'
    return [
      error('wrong-value', probed.keyPlace(path), `\`${String(path.at(-1))}\` cannot be a name here`, {
        hint: detail,
      }),
    ]
  }
  if (value === undefined && isTypeIssue(issue)) {
    return [error('missing-key', probed.keyPlace(path.slice(0, -1)), `\`${String(path.at(-1))}\` is missing`)]
  }
  return [wrongValue(issue, path, value, probed)]
}

function wrongValue(issue: Issue, path: Path, value: unknown, probed: Probed): Diagnostic {
  const name = nameOf(path)
  const place = probed.place(path)
  const custom = !/^Invalid (input|option)/.test(issue.message)
  if (issue.code === 'invalid_type' && !custom) {
    const message = `${name} must be ${typeWord(issue.expected)}, not ${foundWord(value)}`
    const quotable = issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')
    const hint = quotable ? `put it in quotes: "${probed.written(path)}"` : undefined
    return error('wrong-value', place, message, { hint })
  }
  if (issue.code === 'invalid_value') {
    const options = issue.values.map(String)
    const list = options.length === 1 ? options[0]! : `one of ${options.join(', ')}`
    return error('wrong-value', place, `${name} must be ${list}`, whichWasMeant(value, options))
  }
  const said = plain(issue.message)
  const must = /^(an?|one|the name|at (least|most)|up to) /.test(said) ? ' must be' : ':'
  const hint = issue.code === 'custom' ? (issue.params?.['hint'] as string | undefined) : undefined
  return error('wrong-value', place, `${name}${must} ${said}`, { hint })
}

function whichWasMeant(value: unknown, options: readonly string[]) {
  if (typeof value !== 'string') return {}
  return options.includes(value)
    ? { hint: `without quotes: ${value}` }
    : { suggestion: nearest(value, options) }
}

function diagnoseExpression(issue: Issue, path: Path, symbol: symbol, probed: Probed): Diagnostic[] {
  const type = probed.celType(symbol)
  const accepted = acceptedTypes(issue)
  const hint = probed.literalHint?.(path)
  if (type === null || hint !== undefined) {
    const place = probed.expressionPlace(symbol) ?? probed.place(path)
    return [error('expression', place, `${nameOf(path)} cannot hold an expression`, { hint })]
  }
  if (accepted === null || type === 'dyn' || accepted.includes(typeFamily(type))) return []
  const wants = accepted
    .filter(each => each !== 'int' || !accepted.includes('double'))
    .map(each => CEL_WORDS[each] ?? each)
    .join(' or ')
  return [
    error(
      'expression',
      probed.place(path),
      `${nameOf(path)} must be ${wants}, but this expression gives ${describeCel(type)}`,
    ),
  ]
}

/** Null: anything may come of it, or it cannot be told before the value is known. */
function acceptedTypes(issue: Issue): string[] | null {
  if (issue.code === 'invalid_type') return ZOD_TO_CEL[issue.expected] ?? null
  if (issue.code === 'invalid_value')
    return [...new Set(issue.values.flatMap(value => ZOD_TO_CEL[typeof value] ?? []))]
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return null
  const each = issue.errors.map(issues => (issues[0] === undefined ? null : acceptedTypes(issues[0])))
  return each.includes(null) ? null : [...new Set(each.flat() as string[])]
}

const ZOD_TO_CEL: Record<string, string[]> = {
  string: ['string'],
  number: ['int', 'double'],
  int: ['int'],
  boolean: ['bool'],
  array: ['list'],
  object: ['map'],
  record: ['map'],
  null: ['null'],
}

const CEL_WORDS: Record<string, string> = {
  string: 'text',
  int: 'a whole number',
  double: 'a number',
  bool: 'true or false',
  list: 'a list',
  map: 'a map',
  null: 'null',
}

/** `list<int>` is a list. */
function typeFamily(type: string): string {
  return type.replace(/<.*$/, '')
}

function describeCel(type: string): string {
  return CEL_WORDS[typeFamily(type)] ?? `a ${type}`
}

type UnionIssue = Extract<Issue, { code: 'invalid_union' }>

/** The branch that the author most likely meant; none when one of them holds as far as it is known. */
function diagnoseUnion(issue: UnionIssue, path: Path, probed: Probed): Diagnostic[] {
  const value = valueAt(probed.value, path)
  const branches = issue.errors.map(issues => ({
    issues,
    diagnostics: issues.flatMap(each => diagnose(each, path, probed)),
    wrongType: issues.some(each => each.path.length === 0 && isTypeIssue(each)),
  }))
  if (branches.length === 0)
    return [error('wrong-value', probed.place(path), `${nameOf(path)}: ${plain(issue.message)}`)]
  if (branches.some(branch => branch.diagnostics.length === 0)) return []
  const fitting = branches.filter(branch => !branch.wrongType)
  if (fitting.length > 0) {
    return fitting.reduce((a, b) => (b.diagnostics.length < a.diagnostics.length ? b : a)).diagnostics
  }
  if (value === undefined) {
    return [error('missing-key', probed.keyPlace(path.slice(0, -1)), `\`${String(path.at(-1))}\` is missing`)]
  }
  const wanted = [...new Set(branches.flatMap(branch => branch.issues.flatMap(expectedWord)))]
  return [
    error(
      'wrong-value',
      probed.place(path),
      `${nameOf(path)} must be ${wanted.join(' or ')}, not ${foundWord(value)}`,
    ),
  ]
}

function expectedWord(issue: Issue): string[] {
  if (issue.path.length > 0) return []
  if (issue.code === 'invalid_type') return [typeWord(issue.expected)]
  return issue.code === 'invalid_value' ? issue.values.map(String) : []
}

function unknownKey(key: string, path: Path, probed: Probed): Diagnostic {
  const place = probed.keyPlace([...path, key])
  const explained = probed.explainKey?.(key, path)
  if (explained !== undefined) return error('unknown-key', place, explained.message, { hint: explained.hint })
  if (valueAt(probed.value, [...path, key]) === null && key.includes(' ')) {
    // `{ description: one, two }` is a map with the keys `description` and `two`.
    const hint = 'between braces a comma starts a new key: put the text in quotes'
    return error('unknown-key', place, `the key \`${key}\` is not known`, { hint })
  }
  const known = probed.keysAt(path)
  const suggestion = nearest(key, known)
  const owner = path.length === 0 ? '' : ` in ${nameOf(path)}`
  const hint = known.length === 0 ? undefined : `known here: ${known.join(', ')}`
  return error('unknown-key', place, `the key \`${key}\` is not known${owner}`, { hint, suggestion })
}

function isTypeIssue(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union'
}

/** `urls[0]`, `retry.attempts`: what stands at the end of the path, as a person would say it. */
function nameOf(path: Path): string {
  const named = path.filter(part => typeof part === 'string')
  const tail = path.at(-1)
  const last = named.at(-1) ?? 'this'
  const text = typeof tail === 'number' ? `${last}[${tail}]` : last
  return `\`${text}\``
}

const WORDS: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  null: 'null',
  undefined: 'left out',
  never: 'left out',
}

function typeWord(expected: string): string {
  return WORDS[expected] ?? expected
}

function foundWord(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  return WORDS[typeof value] ?? typeof value
}

function plain(message: string): string {
  const text = message.replace(/\.$/, '')
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Record<string | number, unknown>)[part]
  }
  return at
}
