/** Takes the values of secrets out of everything that is told, in every form in which they were likely written. */
import type { Playbook } from '../playbook/playbook.ts'
import type { Json } from '../steps/step.ts'

export type Redact = (text: string) => string

const MASK = '***'
/** Shorter texts appear by chance; inputs of type secret are longer. */
const SHORTEST = 4

export function redactor(secrets: readonly string[]): Redact {
  const forms = new Set<string>()
  for (const secret of secrets)
    for (const form of formsOf(secret)) if (form.length >= SHORTEST) forms.add(form)
  if (forms.size === 0) return text => text
  const longestFirst = [...forms].sort((a, b) => b.length - a.length)
  const pattern = new RegExp(longestFirst.map(escapeRegExp).join('|'), 'g')
  return text => text.replace(pattern, MASK)
}

/** Every string inside, keys included: outputs of steps are maps whose keys a command may have chosen. */
export function redactDeep<T>(value: T, redact: Redact): T {
  if (typeof value === 'string') return redact(value) as T
  if (Array.isArray(value)) return value.map(item => redactDeep(item, redact)) as T
  if (value !== null && typeof value === 'object') {
    const entries = Object.entries(value).map(([key, item]) => [redact(key), redactDeep(item, redact)])
    return Object.fromEntries(entries) as T
  }
  return value
}

function* formsOf(secret: string): Generator<string> {
  // Output is told line by line, so that a key of many lines is found line by line.
  for (const text of new Set([secret, secret.trim(), ...secret.split(/\r?\n/).map(line => line.trim())])) {
    if (text.length < SHORTEST) continue
    yield text
    yield JSON.stringify(text).slice(1, -1)
    const uri = encodeURIComponent(text)
    yield uri
    yield uri.replaceAll('%20', '+')
    yield uri.replace(/%[0-9A-F]{2}/g, hex => hex.toLowerCase())
    yield Buffer.from(text).toString('hex')
    yield* base64Forms(text)
  }
}

/** A secret inside a longer text that was encoded stands at one of three alignments; its ragged ends are left out. */
function* base64Forms(text: string): Generator<string> {
  const bytes = Buffer.from(text)
  for (const lead of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(lead), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const from = lead === 0 ? 0 : lead + 1
    const ragged = (lead + bytes.length) % 3
    const core = padded.slice(from, ragged === 0 ? undefined : -1)
    for (const form of lead === 0 ? [padded, core] : [core]) {
      yield form
      yield form.replaceAll('+', '-').replaceAll('/', '_')
    }
  }
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** All that a run tells passes here, its end too, so that no face, journal, log or report has to think of secrets. */
export function redacting({ playbook, inputs }: Secretive): <T>(value: T) => T {
  const secrets = Object.entries(playbook.inputs)
    .filter(([, spec]) => spec.type === 'secret')
    .map(([name]) => inputs[name])
    .filter(value => typeof value === 'string')
  if (secrets.length === 0) return value => value
  const redact = redactor(secrets)
  return value => redactDeep(value, redact)
}

type Secretive = { playbook: Playbook; inputs: { [name: string]: Json } }
