/** From the bytes of a frame to a request whose envelope is known. Pure; costs one pass before anything is built. */

import { isUtf8 } from 'node:buffer'
import { quietly } from '../../../process/quietly.ts'

export const MAX_DEPTH = 8
export const MAX_VALUES = 100_000
/** Each new key costs as much as fifty numbers: 50 000 of them held everybody up for 100 ms. */
const MAX_KEYS = 10_000

export type Request = {
  readonly type: string
  /** Echoed in the answer; "" where the peer sent none. */
  readonly id: string
  readonly token: string | null
  readonly keepAlive: boolean
  /** Everything that was sent, not yet checked. */
  readonly fields: Readonly<Record<string, unknown>>
}

export type ParsedRequest = { readonly request: Request } | { readonly invalid: string }

export function parseRequest(payload: Buffer): ParsedRequest {
  if (!isUtf8(payload)) return { invalid: 'not UTF-8' }
  const shape = scan(payload)
  if (typeof shape === 'string') return { invalid: shape }
  const value = quietly((): unknown => JSON.parse(payload.toString('utf8')))
  if (value === undefined) return { invalid: 'not JSON' }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { invalid: 'not an object' }
  if (shape.hasSurrogates && !isWellFormed(value)) return { invalid: 'half a surrogate pair' }
  return { request: envelope(value as Record<string, unknown>) }
}

const TOKEN_KEY = '"token"'
const LONGEST_TOKEN = 4096

/** What stands behind the first key of this name, at any depth: a hint of who is asking, found at next to no cost. */
export function tokenText(payload: Buffer): string | null {
  const key = payload.indexOf(TOKEN_KEY)
  if (key === -1) return null
  const behind = payload.toString('utf8', key + TOKEN_KEY.length, key + TOKEN_KEY.length + LONGEST_TOKEN)
  const literal = /^\s*:\s*("(?:[^"\\]|\\.)*")/.exec(behind)?.[1] ?? ''
  return quietly(() => JSON.parse(literal) as string) ?? null
}

function envelope(fields: Record<string, unknown>): Request {
  const { type, id, token } = fields
  return {
    type: typeof type === 'string' ? type : '',
    id: typeof id === 'string' ? id : '',
    token: typeof token === 'string' ? token : null,
    keepAlive: fields['keep_alive'] === true,
    fields,
  }
}

type Shape = { hasSurrogates: boolean }

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Bounds depth and number of values before they exist in memory, and finds a key that stands twice: which of the two
 * counts is for nobody to guess, and what JSON.parse makes of them differs from one V8 to the next. Of anything that
 * is not JSON it may say anything: JSON.parse comes behind it.
 */
function scan(bytes: Buffer): Shape | string {
  let depth = 0
  let values = 1
  let keys = 0
  let hasSurrogates = false
  let isEmpty = false
  /** The last text that was passed; before a colon, that is a key. */
  let text: Text = { from: 0, to: 0, isEscaped: false, hasSurrogates: false }
  const names: Names = []
  /** Bytes in a row that mean nothing here, as in a number. */
  let plain = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!
    const plainBefore = plain
    const wasEmpty: boolean = isEmpty
    plain = 0
    isEmpty = false
    switch (byte) {
      case 0x20:
      case 0x09:
      case 0x0a:
      case 0x0d:
        isEmpty = wasEmpty
        continue
      case QUOTE:
        text = passText(bytes, at)
        hasSurrogates ||= text.hasSurrogates
        at = text.to - 1
        continue
      case 0x7b: // {
      case 0x5b: // [
        depth++
        names[depth] = undefined
        isEmpty = true
        break
      case 0x7d: // }
      case 0x5d: // ]
        depth--
        if (!wasEmpty) values++
        break
      case 0x2c: // ,
        values++
        break
      case 0x3a: // :
        keys++
        if (!isNew(keyOf(bytes, text), names, depth)) return 'a key twice in one object'
        break
      default:
        plain = plainBefore + 1
        if (plain === LONG_RUN) at = behindRun(bytes, at, PLAIN) - 1
        continue
    }
    const excess = excessOf(depth, values, keys)
    if (excess !== null) return excess
  }
  return { hasSurrogates }
}

function excessOf(depth: number, values: number, keys: number): string | null {
  if (depth > MAX_DEPTH) return `more than ${MAX_DEPTH} levels`
  if (keys > MAX_KEYS) return `more than ${MAX_KEYS} keys`
  return values > MAX_VALUES ? `more than ${MAX_VALUES} values` : null
}

/** Keys of the objects that are open, by depth. */
type Names = (Set<string> | undefined)[]

function isNew(key: string | null, names: Names, depth: number): boolean {
  if (key === null) return true
  names[depth] ??= new Set()
  const known = names[depth]
  return known.size < known.add(key).size
}

type Text = { from: number; to: number; isEscaped: boolean; hasSurrogates: boolean }

/** From its opening quote to behind the closing one. */
function passText(bytes: Buffer, from: number): Text {
  let hasSurrogates = false
  let isEscaped = false
  let plain = 0
  let escapes = 0
  let at = from + 1
  for (; at < bytes.length && bytes[at] !== QUOTE; at++) {
    if (bytes[at] !== BACKSLASH) {
      escapes = 0
      if (++plain === LONG_RUN) at = behindRun(bytes, at, PLAIN_TEXT) - 1
      continue
    }
    isEscaped = true
    plain = 0
    at++
    if (bytes[at] === 0x75) {
      // \uD800 to \uDFFF
      hasSurrogates ||= (bytes[at + 1]! | 0x20) === 0x64 && bytes[at + 2]! >= 0x38
      at += 4
    } else if (++escapes === LONG_RUN) at = behindRun(bytes, at + 1, ESCAPES) - 1
  }
  return { from, to: at + 1, isEscaped, hasSurrogates }
}

const LONG_RUN = 64
const FIRST_WINDOW = 128
const LARGEST_WINDOW = 64 * 1024
const PLAIN = /[^\s",:{}[\]]*/y
const PLAIN_TEXT = /[^"\\]*/y
const ESCAPES = /(?:\\[^u])*/y

/**
 * Where a run ends. One byte after the other, a request of 2 MiB kept everybody else waiting for 50 ms; this is native
 * code. What is looked at grows with the run, so that many short ones cost no more than they are long.
 */
function behindRun(bytes: Buffer, from: number, run: RegExp): number {
  let at = from
  for (let window = FIRST_WINDOW; ; window = Math.min(2 * window, LARGEST_WINDOW)) {
    run.lastIndex = 0
    run.test(bytes.toString('latin1', at, at + window))
    at += run.lastIndex
    if (run.lastIndex < window) return at
  }
}

/** As it is meant, however it was spelt; null where it is no text. */
function keyOf(bytes: Buffer, { from, to, isEscaped }: Text): string | null {
  if (!isEscaped) return bytes.toString('utf8', from + 1, to - 1)
  return quietly(() => JSON.parse(bytes.toString('utf8', from, to)) as string) ?? null
}

/** With the flag `u`, this matches only halves that stand alone. */
const HALF = /\p{Surrogate}/u

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return !HALF.test(value)
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([key, item]) => !HALF.test(key) && isWellFormed(item))
}
