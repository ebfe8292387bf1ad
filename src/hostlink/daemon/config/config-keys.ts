/** Every key of hostlink.conf: its default and how its text becomes a value. */
import { isIP } from 'node:net'

/** Reads a value that is known not to be empty; the reason follows the key in a sentence. */
export type ParsedValue<T> = { value: T } | { reason: string }
type Key<T> = { readonly fallback: T; readonly parse: (text: string) => ParsedValue<T> }

/** Node's timers go no further. */
const LONGEST_MS = 2_147_483_647
/** `sun_path` of a Unix socket address, less its closing NUL. */
const LONGEST_SOCKET_PATH = 107

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export const KEYS = {
  node_name: word('hostlink'),
  auth_token: optional(word('')),
  auth_token_file: optional(path('')),
  unix_enabled: flag(true),
  unix_path: socketPath('/run/hostlink/hostlink.sock'),
  unix_mode: mode(0o660),
  unix_group: word('hostlink'),
  tcp_enabled: flag(false),
  tcp_bind: address('127.0.0.1'),
  tcp_port: integer(9876, 0, 65_535),
  tcp_insecure: flag(false),
  max_concurrent: integer(8, 1, 1024),
  max_concurrent_io: integer(4, 1, 1024),
  default_timeout_ms: integer(30_000, 1, LONGEST_MS),
  max_timeout_ms: integer(300_000, 1, LONGEST_MS),
  shell: path('/bin/sh'),
  default_max_output_bytes: integer(4_194_304, 1, Number.MAX_SAFE_INTEGER),
  max_output_bytes: integer(67_108_864, 0, Number.MAX_SAFE_INTEGER),
  output_tmpdir: path('/run/hostlink/output'),
  job_default_timeout_ms: integer(86_400_000, 1, LONGEST_MS),
  job_max_timeout_ms: integer(604_800_000, 1, LONGEST_MS),
  job_max_spool_bytes: integer(268_435_456, 1, Number.MAX_SAFE_INTEGER),
  job_retention_s: integer(86_400, 0, Number.MAX_SAFE_INTEGER),
  max_jobs: integer(64, 1, 4096),
  cancel_on_disconnect: flag(true),
  env_allow: names(),
  /** The only key that may be set more than once. */
  policy_file: each(path('')),
  audit_log: optional(pathOr('none')),
  log_target: pathOr('stderr', 'syslog'),
  log_level: logLevel('info'),
  run_as_user: optional(word('')),
  hostops_command: optional(path('')),
  runs_state_dir: optional(path('')),
  playbooks_dir: path('/etc/hostops/playbooks'),
} as const

export type KeyName = keyof typeof KEYS
export type ValueOf<K extends KeyName> = (typeof KEYS)[K]['fallback']

function word(fallback: string): Key<string> {
  return { fallback, parse: value => ({ value }) }
}

function optional(key: Key<string>): Key<string | null> {
  return { fallback: null, parse: key.parse }
}

function each(key: Key<string>): Key<readonly string[]> {
  const parse = (text: string): ParsedValue<readonly string[]> => {
    const parsed = key.parse(text)
    return 'value' in parsed ? { value: [parsed.value] } : parsed
  }
  return { fallback: [], parse }
}

function flag(fallback: boolean): Key<boolean> {
  const parse = (text: string): ParsedValue<boolean> => {
    const isOn = /^(true|yes|on|1)$/i.test(text)
    return isOn || /^(false|no|off|0)$/i.test(text)
      ? { value: isOn }
      : { reason: `"${text}" is not true or false (also yes, no, on, off, 1, 0)` }
  }
  return { fallback, parse }
}

function integer(fallback: number, least: number, most: number): Key<number> {
  const parse = (text: string): ParsedValue<number> => {
    if (!/^[+-]?\d+$/.test(text)) return { reason: `"${text}" is not a whole number` }
    const value = Number(text)
    if (value < least) return { reason: `${text} is below ${least}` }
    return value > most ? { reason: `${text} is above ${most}` } : { value }
  }
  return { fallback, parse }
}

function mode(fallback: number): Key<number> {
  const parse = (text: string): ParsedValue<number> =>
    /^(0o?)?[0-7]{3}$/.test(text)
      ? { value: Number.parseInt(text.replace('o', ''), 8) }
      : { reason: `"${text}" is not an octal mode such as 0660` }
  return { fallback, parse }
}

function path(fallback: string): Key<string> {
  const parse = (text: string): ParsedValue<string> =>
    text.startsWith('/') ? { value: text } : { reason: `"${text}" is not an absolute path` }
  return { fallback, parse }
}

function pathOr(fallback: string, ...words: string[]): Key<string> {
  const known = [fallback, ...words]
  const parse = (text: string): ParsedValue<string> =>
    text.startsWith('/') || known.includes(text)
      ? { value: text }
      : { reason: `"${text}" is neither ${known.join(', ')} nor an absolute path` }
  return { fallback, parse }
}

function socketPath(fallback: string): Key<string> {
  const parse = (text: string): ParsedValue<string> => {
    const bytes = Buffer.byteLength(text)
    if (bytes > LONGEST_SOCKET_PATH)
      return { reason: `${bytes} bytes is longer than a socket path may be (107)` }
    return path('').parse(text)
  }
  return { fallback, parse }
}

function address(fallback: string): Key<string> {
  const parse = (text: string): ParsedValue<string> =>
    isIP(text) !== 0 || text === 'localhost' ? { value: text } : { reason: `"${text}" is not an IP address` }
  return { fallback, parse }
}

function names(): Key<readonly string[]> {
  const parse = (text: string): ParsedValue<readonly string[]> => {
    const value = text.split(',').map(name => name.trim())
    const bad = value.find(name => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    return bad === undefined ? { value } : { reason: `"${bad}" is not the name of a variable` }
  }
  return { fallback: [], parse }
}

function logLevel(fallback: LogLevel): Key<LogLevel> {
  const parse = (text: string): ParsedValue<LogLevel> => {
    const asked = text.toLowerCase() === 'warning' ? 'warn' : text.toLowerCase()
    const value = LOG_LEVELS.find(level => level === asked)
    return value === undefined ? { reason: `"${text}" is not one of ${LOG_LEVELS.join(', ')}` } : { value }
  }
  return { fallback, parse }
}
