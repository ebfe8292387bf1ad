/** The command line as data. Options stand before the subcommand or after it; a command's own words are its own. */
import { parseArgs } from 'node:util'
import type { EndpointOptions } from '../link/endpoint.ts'

export type CliSettings = EndpointOptions & {
  connectTimeoutMs?: number
  timeoutMs?: number
  maxStdoutBytes?: number
  maxStderrBytes?: number
  cwd?: string
  env: Record<string, string>
  json: boolean
  outputToFile: boolean
  ping: boolean
  detach: boolean
  passthrough: boolean
  stream: boolean
  argv: boolean
  help: boolean
  version: boolean
  follow: boolean
  tailStream: 'stdout' | 'stderr'
  kill: boolean
  showOutput: boolean
  intervalMs?: number
  waitTimeoutMs?: number
}

export type CommandLine = { settings: CliSettings; command: string | null; words: string[] }
export type OptionProblem =
  | { kind: 'unknown-option'; name: string }
  | { kind: 'missing-value'; name: string }
  | { kind: 'needless-value'; name: string }
  | { kind: 'bad-value'; name: string; value: string; wanted: string }

export function parseCommandLine(args: readonly string[]): CommandLine | OptionProblem {
  const line: CommandLine = { settings: initial(), command: null, words: [] }
  // Not strict: what is wrong is found below, with what the words for it need.
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true })
  for (const token of tokens) {
    if (token.kind === 'option') {
      const problem = read(token, line)
      if (problem) return problem
    } else if (token.kind === 'positional' && line.command === null) {
      line.command = token.value
    } else if (token.kind === 'positional' && line.command === 'exec') {
      // From here on nothing is ours: `exec ls -la` hands -la to ls.
      line.words = args.slice(token.index)
      break
    } else if (token.kind === 'positional') {
      line.words.push(token.value)
    }
  }
  return line
}

export const isProblem = (parsed: CommandLine | OptionProblem): parsed is OptionProblem => 'kind' in parsed

/** Every long name, for "did you mean". */
export const longOptions = (): string[] => Object.keys(OPTIONS).map(long => `--${long}`)

/** `apply` answers what the value should have been. Those of `job` are known only behind it. */
type Option = {
  type: 'string' | 'boolean'
  short?: string
  job?: true
  apply(settings: CliSettings, value: string): string | null
}

const initial = (): CliSettings => ({
  env: {},
  json: false,
  outputToFile: false,
  ping: false,
  detach: false,
  passthrough: false,
  stream: false,
  argv: false,
  help: false,
  version: false,
  follow: false,
  tailStream: 'stdout',
  kill: false,
  showOutput: false,
})

type Text = 'socket' | 'address' | 'target' | 'targetsFile' | 'token' | 'tokenFile' | 'cwd'
type Count = 'connectTimeoutMs' | 'timeoutMs' | 'intervalMs' | 'waitTimeoutMs'
type Switch = {
  [K in keyof CliSettings]-?: CliSettings[K] extends boolean ? K : never
}[keyof CliSettings]

const text = (field: Text): Option => ({
  type: 'string',
  apply(settings, value) {
    if (value === '') return 'something that is not empty'
    settings[field] = value
    return null
  },
})
const count = (field: Count, least: number): Option => ({
  type: 'string',
  apply(settings, value) {
    const parsed = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
    if (!(parsed >= least && parsed <= 2_147_483_647))
      return `a whole number of milliseconds, at least ${least}`
    settings[field] = parsed
    return null
  },
})
const size = (...fields: ('maxStdoutBytes' | 'maxStderrBytes')[]): Option => ({
  type: 'string',
  apply(settings, value) {
    const bytes = parseSize(value)
    if (bytes === null) return 'a size such as 4096, 64K, 4M or 1G'
    for (const field of fields) settings[field] = bytes
    return null
  },
})
const flag = <K extends Switch | 'tailStream'>(field: K, value: CliSettings[K]): Option => ({
  type: 'boolean',
  apply(settings) {
    settings[field] = value
    return null
  },
})
const variable: Option = {
  type: 'string',
  apply(settings, value) {
    const equals = value.indexOf('=')
    if (equals < 1) return 'NAME=VALUE'
    settings.env[value.slice(0, equals)] = value.slice(equals + 1)
    return null
  },
}

const OPTIONS: Readonly<Record<string, Option>> = {
  target: { short: 't', ...text('target') },
  socket: { short: 's', ...text('socket') },
  address: { short: 'a', ...text('address') },
  token: { short: 'k', ...text('token') },
  'token-file': text('tokenFile'),
  timeout: { short: 'T', ...count('timeoutMs', 0) },
  'connect-timeout': { short: 'C', ...count('connectTimeoutMs', 1) },
  'targets-file': { short: 'F', ...text('targetsFile') },
  json: { short: 'j', ...flag('json', true) },
  env: { short: 'e', ...variable },
  workdir: { short: 'w', ...text('cwd') },
  'max-output': { short: 'm', ...size('maxStdoutBytes', 'maxStderrBytes') },
  'max-stdout': size('maxStdoutBytes'),
  'max-stderr': size('maxStderrBytes'),
  'output-to-file': { short: 'O', ...flag('outputToFile', true) },
  ping: { short: 'P', ...flag('ping', true) },
  detach: { short: 'D', ...flag('detach', true) },
  stream: flag('stream', true),
  argv: flag('argv', true),
  passthrough: flag('passthrough', true),
  help: { short: 'h', ...flag('help', true) },
  version: { short: 'V', ...flag('version', true) },
  follow: { short: 'f', job: true, ...flag('follow', true) },
  kill: { job: true, ...flag('kill', true) },
  output: { short: 'o', job: true, ...flag('showOutput', true) },
  interval: { job: true, ...count('intervalMs', 50) },
  'wait-timeout': { job: true, ...count('waitTimeoutMs', 1) },
  stderr: { job: true, ...flag('tailStream', 'stderr') },
  stdout: { job: true, ...flag('tailStream', 'stdout') },
}

type Given = { name: string; rawName: string; value?: string | undefined }

function read({ name: long, rawName: name, value }: Given, line: CommandLine): OptionProblem | null {
  const option = Object.hasOwn(OPTIONS, long) ? OPTIONS[long] : undefined
  if (!option || (option.job && line.command !== 'job')) return { kind: 'unknown-option', name }
  if (option.type === 'boolean' && value !== undefined) return { kind: 'needless-value', name }
  if (option.type === 'string' && value === undefined) return { kind: 'missing-value', name }
  const wanted = option.apply(line.settings, value ?? '')
  if (wanted === null) return null
  return { kind: 'bad-value', name, value: long === 'token' ? '' : (value ?? ''), wanted }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }

function parseSize(value: string): number | null {
  const match = /^(\d{1,15})([KMG]?)$/i.exec(value)
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toUpperCase()]! : Number.NaN
  return Number.isSafeInteger(bytes) ? bytes : null
}
