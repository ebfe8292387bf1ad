/** Takes the values of secrets out of everything that is told, in every form in which they were likely written. */

import type { Json } from '../document/json.ts'
import { SHORTEST_SECRET as SHORTEST } from '../playbook/input-value.ts'
import type { Playbook } from '../playbook/playbook.ts'
import { showInvisible } from '../steps/contract/plain-text.ts'

export type Redactor = {
  /** A whole text. */
  text(text: string): string
  /** A text that goes on: `held` may be the beginning of a secret, and belongs before what comes next. */
  beginning(text: string): { told: string; held: string }
  /** A text whose beginning is missing: what may be the end of a secret is left out. */
  end(text: string): string
  /** As many characters as may have to be held back. */
  readonly reach: number
}

const MASK = '***'

export const NO_SECRETS: Redactor = {
  text: text => text,
  beginning: text => ({ told: text, held: '' }),
  end: text => text,
  reach: 0,
}

export function redactor(secrets: readonly string[]): Redactor {
  const forms = new Set(secrets.flatMap(secret => [...formsOf(secret)]))
  const longestFirst = [...forms]
    .filter(form => form.length >= SHORTEST)
    .sort((one, other) => other.length - one.length)
  if (longestFirst.length === 0) return NO_SECRETS
  const reach = longestFirst[0]!.length
  const spans = finder(longestFirst)

  /** From `from` on, of the secrets that begin before `until`; also where it ended. */
  const write = (text: string, from: number, until: number) => {
    let told = ''
    let at = from
    for (const [start, end] of spans(text, until)) {
      if (end <= from) continue
      told += text.slice(at, Math.max(at, start)) + MASK
      at = end
    }
    const end = Math.max(at, wholeCharacters(text, until))
    return { told: at === 0 && end === text.length ? text : told + text.slice(at, end), end }
  }

  return {
    reach,
    text: text => write(text, 0, text.length).told,
    beginning(text) {
      const { told, end } = write(text, 0, Math.max(0, text.length - reach + 1))
      return { told, held: text.slice(end) }
    },
    end: text => write(text, Math.min(reach, text.length), text.length).told,
  }
}

/** Where forms stand in a text: the leftmost first, of those the longest. */
function finder(longestFirst: readonly string[]) {
  const byStart = new Map<string, string[]>()
  for (const form of longestFirst) {
    const start = form.slice(0, SHORTEST)
    byStart.set(start, [...(byStart.get(start) ?? []), form])
  }
  // Of their beginnings only: a pattern of whole keys is more than an engine takes, and its error would quote them.
  const starts = new RegExp([...byStart.keys()].map(escapeRegExp).join('|'), 'g')
  return function* (text: string, until: number): Generator<readonly [start: number, end: number]> {
    for (let at = 0; ; ) {
      starts.lastIndex = at
      const found = starts.exec(text)
      if (found === null || found.index >= until) return
      const form = byStart.get(found[0])!.find(each => text.startsWith(each, found.index))
      at = found.index + (form?.length ?? 1)
      if (form !== undefined) yield [found.index, at]
    }
  }
}

const wholeCharacters = (text: string, end: number) =>
  end < text.length && /[\ud800-\udbff]/.test(text[end - 1] ?? '') ? end - 1 : end

/** Every string inside, keys included: outputs of steps are maps whose keys a command may have chosen. */
export function redactDeep<T>(value: T, { text }: Redactor): T {
  const inside = (each: unknown): unknown => {
    if (typeof each === 'string') return text(each)
    if (Array.isArray(each)) return each.map(inside)
    if (each === null || typeof each !== 'object') return each
    return Object.fromEntries(Object.entries(each).map(([key, item]) => [text(key), inside(item)]))
  }
  return inside(value) as T
}

function* formsOf(secret: string): Generator<string> {
  // Output is told line by line, so that a key of many lines is found line by line.
  for (const text of new Set([secret, secret.trim(), ...secret.split(/\r?\n/).map(line => line.trim())])) {
    if (text.length < SHORTEST) continue
    yield text
    yield showInvisible(text)
    yield JSON.stringify(text).slice(1, -1)
    yield* uriForms(text)
    const hex = Buffer.from(text).toString('hex')
    yield hex
    yield hex.toUpperCase()
    yield* base64Forms(text)
  }
}

/** Encoders differ in which characters they leave as they are, in how they write a blank, and in the case of digits. */
function* uriForms(text: string): Generator<string> {
  const component = encodeURIComponent(text)
  const strict = component.replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  for (const uri of new Set([component, strict, strict.replaceAll('%2F', '/'), encodeURI(text)])) {
    for (const form of [uri, uri.replaceAll('%20', '+')]) {
      yield form
      yield form.replace(/%[0-9A-F]{2}/g, digits => digits.toLowerCase())
    }
  }
}

/** A secret inside a longer text that was encoded stands at one of three alignments; its ragged ends are left out. */
function* base64Forms(text: string): Generator<string> {
  const bytes = Buffer.from(text)
  for (const form of [unpadded(bytes), coreAt(0, bytes)]) {
    yield* inBothAlphabets(form)
    // `base64` and `openssl base64` break their lines.
    for (const width of [76, 64]) yield* pieces(form, width)
  }
  for (const lead of [1, 2]) yield* inBothAlphabets(coreAt(lead, bytes))
}

const unpadded = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '')
const inBothAlphabets = (form: string) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]

function coreAt(lead: number, bytes: Buffer): string {
  const whole = unpadded(Buffer.concat([Buffer.alloc(lead), bytes]))
  const ragged = (lead + bytes.length) % 3
  return whole.slice(lead === 0 ? 0 : lead + 1, ragged === 0 ? undefined : -1)
}

function* pieces(text: string, width: number): Generator<string> {
  for (let at = 0; text.length > width && at < text.length; at += width) yield text.slice(at, at + width)
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

export function redactorOf({ playbook, inputs }: Secretive): Redactor {
  const secrets = Object.entries(playbook.inputs)
    .filter(([, spec]) => spec.type === 'secret')
    .map(([name]) => inputs[name])
    .filter(value => typeof value === 'string')
  return redactor(secrets)
}

type Secretive = { playbook: Playbook; inputs: { [name: string]: Json } }
