/** hostlink.conf: `key = value` lines become a checked, immutable Config, or a list of all that is wrong. Pure. */
import { isIPv6 } from 'node:net'
import { nearest } from '../../../document/nearest.ts'
import { KEYS, type KeyName, type ValueOf } from './config-keys.ts'
import type { Problem } from './problem.ts'

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S

/** One property for each key of `KEYS`, in camelCase. */
export type Config = { readonly [K in KeyName as Camel<K>]: ValueOf<K> } & {
  readonly file: string
  /** Where each key stands that the file sets; a key that is not here has its default. */
  readonly lines: ReadonlyMap<KeyName, number>
}

export type ConfigResult =
  | { config: Config; warnings: Problem[] }
  | { problems: Problem[]; warnings?: Problem[] }

/** Shorter tokens can be guessed. */
export const SHORTEST_TOKEN_BYTES = 16

/** Everything that is wrong is reported at once; a Config exists only when nothing is. */
export function parseConfig(text: string, file: string): ConfigResult {
  if (text.includes('\0')) return { problems: [{ file, reason: 'is not a text file' }] }
  const lines = new Map<KeyName, number>()
  const values: Partial<Record<KeyName, unknown>> = {}
  const problems: Problem[] = []
  const warnings: Problem[] = []
  for (const { line, key, value } of settings(text)) {
    if (key === null) {
      problems.push({ file, line, reason: 'is not `key = value`' })
    } else if (!isKey(key)) {
      warnings.push({ file, line, key, reason: 'is not a known key, and is ignored', hint: didYouMean(key) })
    } else if (isTwice(key, lines)) {
      problems.push({ file, line, key, reason: `is set twice (first on line ${lines.get(key)})` })
    } else {
      lines.set(key, line)
      const parsed = readValue(key, value)
      if ('reason' in parsed) problems.push({ file, line, key, ...parsed })
      else values[key] = joined(values[key], parsed.value)
    }
  }
  const config = assemble(values, file, lines)
  problems.push(...contradictions(config))
  if (problems.length === 0) return { config, warnings: [...warnings, ...doubts(config)] }
  return warnings.length === 0 ? { problems } : { problems, warnings }
}

type Setting = { line: number; key: string | null; value: string }

function* settings(text: string): Generator<Setting> {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  for (const [index, raw] of lines.entries()) {
    const content = raw.trim()
    if (content === '' || /^[#;]/.test(content) || /^\[.*\]$/.test(content)) continue
    const equals = content.indexOf('=')
    const key = content.slice(0, Math.max(0, equals)).trim()
    yield { line: index + 1, key: key === '' ? null : key, value: content.slice(equals + 1).trim() }
  }
}

const isTwice = (key: KeyName, lines: Config['lines']): boolean => key !== 'policy_file' && lines.has(key)

/** A value of a key that is set again is a list. */
const joined = (before: unknown, value: unknown): unknown =>
  before === undefined ? value : [before, value].flat()

const isKey = (key: string): key is KeyName => Object.hasOwn(KEYS, key)

function didYouMean(key: string): string | undefined {
  const guess = nearest(key, Object.keys(KEYS))
  return guess && `did you mean ${guess}?`
}

function readValue(key: KeyName, value: string): { value: unknown } | { reason: string; hint?: string } {
  if (value === '') return { reason: 'is empty', hint: 'leave the line out for the default' }
  const parsed = KEYS[key].parse(value)
  if ('value' in parsed || !/\s[#;]/.test(value)) return parsed
  return { ...parsed, hint: 'a comment needs a line of its own' }
}

function assemble(values: Partial<Record<KeyName, unknown>>, file: string, lines: Config['lines']): Config {
  const entries = Object.entries(KEYS).map(([key, { fallback }]) => {
    const camel = key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
    return [camel, key in values ? values[key as KeyName] : fallback]
  })
  return Object.freeze({ ...Object.fromEntries(entries), file, lines }) as Config
}

/** Settings that are fine alone and wrong together. Keys that are broken themselves have their default here. */
function contradictions(config: Config): Problem[] {
  const found: Problem[] = []
  const add = (...fault: Fault) => found.push(problemAt(config, ...fault))
  if (!(['auth_token', 'auth_token_file', 'policy_file'] as const).some(key => config.lines.has(key))) {
    const hint = 'write a config and a token with: hostlinkd init'
    add('auth_token', 'is missing: nobody could use this daemon', hint)
  }
  if (config.authToken !== null && config.authTokenFile !== null)
    add('auth_token_file', 'is set beside auth_token', 'keep one of the two')
  if (!config.unixEnabled && !config.tcpEnabled) {
    const reason = 'is off, and tcp_enabled is off too: nobody could connect'
    add('unix_enabled', reason, 'turn one of the two on')
  }
  if (config.tcpEnabled && !config.tcpInsecure && !isLoopback(config.tcpBind)) {
    const reason = `${config.tcpBind} is not a loopback address: tokens, commands and output would cross the network in the clear`
    const hint = 'bind 127.0.0.1 and go through ssh or a VPN, or accept it with: tcp_insecure = true'
    add('tcp_bind', reason, hint)
  }
  return found
}

/** Settings that work, though perhaps not as meant. */
function doubts(config: Config): Problem[] {
  const found: Problem[] = []
  const add = (...fault: Fault) => found.push(problemAt(config, ...fault))
  const bytes = Buffer.byteLength(config.authToken ?? '')
  if (config.authToken !== null && bytes < SHORTEST_TOKEN_BYTES)
    add('auth_token', `has ${bytes} bytes and can be guessed`, 'make one with: openssl rand -hex 32')
  if ((config.unixMode & 0o002) !== 0) add('unix_mode', 'lets every user of this machine connect')
  if (config.defaultTimeoutMs > config.maxTimeoutMs)
    add('default_timeout_ms', `is above max_timeout_ms: ${config.maxTimeoutMs} is used`)
  if (config.jobDefaultTimeoutMs > config.jobMaxTimeoutMs)
    add('job_default_timeout_ms', `is above job_max_timeout_ms: ${config.jobMaxTimeoutMs} is used`)
  if (config.maxOutputBytes !== 0 && config.defaultMaxOutputBytes > config.maxOutputBytes)
    add('default_max_output_bytes', `is above max_output_bytes: ${config.maxOutputBytes} is used`)
  if (config.logTarget === 'syslog')
    add('log_target', 'syslog is not offered: the log goes to stderr, which systemd keeps in its journal')
  return found
}

type Fault = [key: KeyName, reason: string, hint?: string | undefined]

export const problemAt = (config: Config, ...[key, reason, hint]: Fault): Problem => ({
  ...place(config, key),
  reason,
  hint,
})

export const place = (config: Config, key: KeyName): { file: string; line?: number; key: string } => {
  const line = config.lines.get(key)
  return line === undefined ? { file: config.file, key } : { file: config.file, line, key }
}

const isLoopback = (bind: string): boolean =>
  bind === 'localhost' || (isIPv6(bind) ? /^(::1|::ffff:127\..*)$/i.test(bind) : bind.startsWith('127.'))
