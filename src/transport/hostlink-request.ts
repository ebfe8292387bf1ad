/** From a command to the fields of a hostlink request. Pure. */
import type { WhyNotStarted } from '../failure.ts'
import { posixCommand } from './quote.ts'
import type { Command } from './transport.ts'

/** What the existing daemon cuts off without a word. */
const MOST_TEXT_BYTES = 8191
const MOST_WORKDIR_BYTES = 254
const MOST_VARIABLES = 256

export type WireCommand = { cwd?: string; env?: Readonly<Record<string, string>> } & (
  | { argv: readonly string[]; command?: never }
  | { command: string; argv?: never }
)

export type EncodedRequest =
  | { ok: true; wire: WireCommand }
  | { ok: false; why: WhyNotStarted; detail: string }

export function hostlinkRequest(command: Command, features: ReadonlySet<string>): EncodedRequest {
  const { argv, cwd, env } = command
  if (features.has('argv')) return { ok: true, wire: withFields({ argv }, cwd, env) }
  const field = splitEnv(env)
  const cwdFits = cwd === undefined || Buffer.byteLength(cwd) <= MOST_WORKDIR_BYTES
  const text = posixCommand({ argv, cwd: cwdFits ? undefined : cwd, env: field.inText })
  if (!text.ok) return { ok: false, why: 'other', detail: text.problem }
  const bytes = Buffer.byteLength(text.text)
  if (bytes > MOST_TEXT_BYTES) return { ok: false, why: 'too-large', detail: tooLong(bytes) }
  return { ok: true, wire: withFields({ command: text.text }, cwdFits ? cwd : undefined, field.inField) }
}

/** Room for everything of a request but the command. */
const ENVELOPE_BYTES = 4096

/** Asked before it is sent, because a daemon that is sent too much closes the connection under others. */
export function fitsInto(limit: number | undefined, wire: WireCommand): boolean {
  if (limit === undefined) return true
  const texts = [
    ...(wire.argv ?? [wire.command ?? '']),
    wire.cwd ?? '',
    ...Object.entries(wire.env ?? {}).flat(),
  ]
  const characters = texts.reduce((sum, text) => sum + text.length, 0)
  // JSON writes a character with at most six bytes.
  if (6 * characters + 4 * texts.length + ENVELOPE_BYTES <= limit) return true
  return Buffer.byteLength(JSON.stringify(wire)) + ENVELOPE_BYTES <= limit
}

const tooLong = (bytes: number) =>
  `the command is ${bytes} bytes of shell text, and this older hostlinkd takes at most ${MOST_TEXT_BYTES}; a newer hostlinkd on the host has no such limit`

function withFields<T extends object>(base: T, cwd: string | undefined, env: Command['env']) {
  return { ...base, ...(cwd === undefined ? {} : { cwd }), ...(env === undefined ? {} : { env }) }
}

/** Variables that a shell, which stands between, would change, forget or obey, are set in the text. */
const SHELLS_OWN =
  /^(UID|EUID|PPID|GROUPS|IFS|PWD|OLDPWD|SHLVL|OPTIND|OPTARG|PS[0-9]|_|ENV|SHELLOPTS|POSIXLY_CORRECT|BASH.*|HOSTLINK_COMMAND)$/

function splitEnv(env: Command['env']) {
  const all = Object.entries(env ?? {})
  const passes = ([name]: [string, string]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SHELLS_OWN.test(name)
  const inField = all.filter(passes).slice(0, MOST_VARIABLES)
  const inText = all.filter(entry => !inField.includes(entry))
  const record = (entries: [string, string][]) =>
    entries.length === 0 ? undefined : Object.fromEntries(entries)
  return { inField: record(inField), inText: record(inText) }
}
