/**
 * One value against one declared input. Values come from a language model: they are hostile until they pass here.
 *
 * - Nothing is normalised and nothing is guessed: a value passes as it is, or is refused with what would be right.
 * - Control bytes, lone surrogates and characters that turn text around are refused everywhere. Line feeds and tabs
 *   pass in a `secret` (keys have lines) and in a `string` whose `pattern` matches them; nowhere else.
 * - A `path` has no `.` and `..` segments, because locks and policies compare paths as text.
 */

import type { Json } from '../document/json.ts'
import { DURATION_HINT, parseDuration } from '../duration.ts'
import type { InputSpec, InputType } from './playbook.ts'

export type CheckedInput = { ok: true; value: Json } | { ok: false; detail: string }
type ValueSpec = Pick<InputSpec, 'type' | 'pattern' | 'oneOf'>

export const MAX_INPUT_BYTES = 64 * 1024
/** Shorter texts appear by chance: they cannot be taken out of what is told. */
export const SHORTEST_SECRET = 4
/** What a pattern is tried on, and for how long: backtracking cannot hold the runner up. */
const MAX_MATCHED = 4096
const MATCH_MS = 1000

export const INPUT_MEANING: Record<InputType, string> = {
  string: 'text',
  ref: 'a git ref: a branch, a tag or a commit id',
  path: 'an absolute path, like /srv/app or C:\\srv\\app',
  url: 'an http or https URL',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  duration: DURATION_HINT,
  secret: 'text',
}

/** From the command line or a file: always text. */
export function inputFromText(spec: ValueSpec, text: string): CheckedInput {
  if (spec.type === 'boolean') {
    if (text === 'true' || text === 'false') return checkInput(spec, text === 'true')
    return refuse('must be true or false')
  }
  if (spec.type === 'integer' || spec.type === 'number') {
    if (!/^-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$/.test(text)) {
      return refuse(`must be ${INPUT_MEANING[spec.type]}`)
    }
    if (spec.type === 'integer' && !Number.isInteger(Number(text)))
      return refuse(`must be ${INPUT_MEANING.integer}`)
    return checkInput(spec, Number(text))
  }
  return checkInput(spec, text)
}

/** From JSON or YAML, where values have types of their own: they must be the right ones. */
export function checkInput(spec: ValueSpec, value: Json): CheckedInput {
  const problem = problemWith(spec, value)
  if (problem !== null) return refuse(problem)
  if (spec.oneOf !== undefined && !spec.oneOf.includes(value)) {
    const list = spec.type === 'secret' ? 'the listed values' : spec.oneOf.map(String).join(', ')
    return refuse(`must be one of ${list}`)
  }
  const mismatch = spec.pattern === undefined ? null : patternProblem(spec.pattern, String(value))
  return mismatch === null ? { ok: true, value } : refuse(mismatch)
}

/** Null when the text is a pattern that can be used; what is wrong with it otherwise. */
export function patternSyntaxProblem(pattern: string): string | null {
  try {
    new RegExp(anchored(pattern), 'u')
    return null
  } catch (error) {
    return (error as Error).message.replace(/^.*\/u?: /, '').toLowerCase()
  }
}

function refuse(detail: string): CheckedInput {
  return { ok: false, detail }
}

function problemWith(spec: ValueSpec, value: Json): string | null {
  const { type } = spec
  if (type === 'boolean') return typeof value === 'boolean' ? null : mustBe(type, value)
  if (type === 'integer')
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? null : mustBe(type, value)
  if (type === 'number') return Number.isFinite(value) ? null : mustBe(type, value)
  if (typeof value !== 'string') return mustBe(type, value)
  if (Buffer.byteLength(value) > MAX_INPUT_BYTES) return 'is longer than 64 KiB'
  const lines = type === 'secret' || (type === 'string' && spec.pattern !== undefined)
  const control = controlProblem(value, lines)
  return control ?? TEXT_PROBLEMS[type]?.(value) ?? null
}

function mustBe(type: InputType, value: Json): string {
  const found = value === null ? 'nothing' : Array.isArray(value) ? 'a list' : FOUND[typeof value]
  const quote =
    typeof value === 'number' || typeof value === 'boolean' ? '; put it in quotes if it is text' : ''
  const unquote = typeof value === 'string' ? ' in quotes' : ''
  return `must be ${INPUT_MEANING[type]}, not ${found}${unquote}${quote}`
}

const FOUND: Record<string, string> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  object: 'a map',
}

function controlProblem(value: string, lines: boolean): string | null {
  const bad = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ufeff]/.exec(
    lines ? value.replace(/\r\n/g, '\n') : value.replace(/[\t\n]/g, '\u0001'),
  )
  if (bad !== null)
    return /[\n\t]/.test(value) && !lines ? 'must be a single line' : 'holds control characters'
  return LONE_SURROGATE.test(value) ? 'is not valid Unicode' : null
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

const TEXT_PROBLEMS: Partial<Record<InputType, (value: string) => string | null>> = {
  ref: refProblem,
  path: pathProblem,
  url: urlProblem,
  duration: value => (parseDuration(value) === null ? `must be ${DURATION_HINT}` : null),
  secret: value =>
    value.trim().length < SHORTEST_SECRET
      ? `must have ${SHORTEST_SECRET} characters or more: what is shorter could not be told from other text`
      : null,
}

/** git check-ref-format, with one level allowed; a full commit id is a valid ref name as well. */
function refProblem(value: string): string | null {
  const not = (what: string) => `must be ${INPUT_MEANING.ref}; it ${what}`
  if (value === '' || value === '@') return `must be ${INPUT_MEANING.ref}`
  if (value.length > 255) return not('is longer than 255 characters')
  if (value.startsWith('-')) return not('starts with -')
  if (/[\s~^:?*[\\]/.test(value)) return not('holds a space or one of ~^:?*[\\')
  if (value.includes('..')) return not('holds ..')
  if (value.includes('@{')) return not('holds @{')
  if (value.startsWith('/') || value.endsWith('/') || value.includes('//')) return not('has an empty part')
  if (value.endsWith('.')) return not('ends with a dot')
  const bad = value.split('/').find(part => part.startsWith('.') || part.endsWith('.lock'))
  return bad === undefined ? null : not('has a part that starts with a dot or ends with .lock')
}

function pathProblem(value: string): string | null {
  const windows = /^[A-Za-z]:[\\/]/.test(value) || /^\\\\[^\\/?.]+\\[^\\/]+/.test(value)
  if (!windows && !value.startsWith('/')) return `must be ${INPUT_MEANING.path}`
  if (value.length > 4096) return 'is longer than 4096 characters'
  if (windows && /[<>"|?*]/.test(value)) return 'holds a character that Windows paths cannot have'
  if (windows && value.indexOf(':', 2) !== -1) return 'holds a second colon'
  const parts = value.split(windows ? /[\\/]/ : '/')
  return parts.includes('..') || parts.includes('.') ? 'must not have . or .. segments' : null
}

function urlProblem(value: string): string | null {
  const must = `must be ${INPUT_MEANING.url}`
  if (!/^https?:\/\/[^\s\\/?#][^\s\\]*$/i.test(value) || value.length > 4096) return must
  if (!URL.canParse(value)) return must
  const { username, password, hostname } = new URL(value)
  if (username !== '' || password !== '' || /^[^/]*\/\/[^/?#]*@/.test(value))
    return 'must not hold credentials'
  return hostname === '' ? must : null
}

function anchored(pattern: string): string {
  return `^(?:${pattern})$`
}

/**
 * The pattern is the playbook author's, the text is not: a pattern with nested repeats could be kept busy for ever.
 * V8 interrupts a running match in a context with a timeout, which it does not in our own.
 */
function patternProblem(pattern: string, text: string): string | null {
  if (text.length > MAX_MATCHED)
    return `is longer than the ${MAX_MATCHED} characters that a pattern is tried on`
  try {
    const regexp = new RegExp(anchored(pattern), 'u')
    const { runInNewContext } = process.getBuiltinModule('node:vm')
    const matches = runInNewContext('regexp.test(text)', { regexp, text }, { timeout: MATCH_MS })
    return matches === true ? null : `must match ${pattern}`
  } catch {
    return `could not be matched against ${pattern} in ${MATCH_MS / 1000} s`
  }
}
