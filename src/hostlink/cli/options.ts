/** The command line as data. Options stand before the subcommand or after it; a command's own words are its own. */
import type { EndpointOptions } from '../endpoint.ts'

export type Settings = EndpointOptions & {
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

export type CommandLine = { settings: Settings; command: string | null; words: string[] }
export type OptionProblem =
  | { kind: 'unknown-option'; name: string; command: string | null }
  | { kind: 'missing-value'; name: string }
  | { kind: 'needless-value'; name: string }
  | { kind: 'bad-value'; name: string; value: string; wanted: string }

export function parseCommandLine(args: readonly string[]): CommandLine | OptionProblem {
  const line: CommandLine = { settings: initial(), command: null, words: [] }
  const left = [...args]
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    // From here on nothing is ours: `exec ls -la` hands -la to ls.
    if (arg === '--') return withWords(line, left)
    if (isOption(arg)) {
      const problem = readOption(arg, left, line)
      if (problem) return problem
    } else if (line.command === 'exec') {
      return withWords(line, [arg, ...left])
    } else if (line.command === null) {
      line.command = arg
    } else {
      line.words.push(arg)
    }
  }
  return line
}

function withWords(line: CommandLine, more: readonly string[]): CommandLine {
  const words = [...line.words, ...more]
  return { ...line, command: line.command ?? words.shift() ?? null, words }
}

const isOption = (arg: string) => arg.startsWith('-') && arg !== '-' && arg !== '--'

export const isProblem = (parsed: CommandLine | OptionProblem): parsed is OptionProblem => 'kind' in parsed

/** Every long name, for "did you mean". */
export const longOptions = (): string[] => OPTIONS.map(option => `--${option.long}`)

type Apply = (settings: Settings, value: string) => string | null
type Option = { long: string; short?: string; job?: true; flag?: (settings: Settings) => void; value?: Apply }

const initial = (): Settings => ({
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
  [K in keyof Settings]-?: Settings[K] extends boolean ? K : never
}[keyof Settings]

const text =
  (field: Text): Apply =>
  (settings, value) => {
    if (value === '') return 'something that is not empty'
    settings[field] = value
    return null
  }
const count =
  (field: Count, least: number): Apply =>
  (settings, value) => {
    const parsed = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
    if (!(parsed >= least && parsed <= 2_147_483_647))
      return `a whole number of milliseconds, at least ${least}`
    settings[field] = parsed
    return null
  }
const size =
  (...fields: ('maxStdoutBytes' | 'maxStderrBytes')[]): Apply =>
  (settings, value) => {
    const bytes = parseSize(value)
    if (bytes === null) return 'a size such as 4096, 64K, 4M or 1G'
    for (const field of fields) settings[field] = bytes
    return null
  }
const on = (field: Switch) => (settings: Settings) => {
  settings[field] = true
}
const variable: Apply = (settings, value) => {
  const equals = value.indexOf('=')
  if (equals < 1) return 'NAME=VALUE'
  settings.env[value.slice(0, equals)] = value.slice(equals + 1)
  return null
}

const OPTIONS: readonly Option[] = [
  { long: 'target', short: 't', value: text('target') },
  { long: 'socket', short: 's', value: text('socket') },
  { long: 'address', short: 'a', value: text('address') },
  { long: 'token', short: 'k', value: text('token') },
  { long: 'token-file', value: text('tokenFile') },
  { long: 'timeout', short: 'T', value: count('timeoutMs', 0) },
  { long: 'connect-timeout', short: 'C', value: count('connectTimeoutMs', 1) },
  { long: 'targets-file', short: 'F', value: text('targetsFile') },
  { long: 'json', short: 'j', flag: on('json') },
  { long: 'env', short: 'e', value: variable },
  { long: 'workdir', short: 'w', value: text('cwd') },
  { long: 'max-output', short: 'm', value: size('maxStdoutBytes', 'maxStderrBytes') },
  { long: 'max-stdout', value: size('maxStdoutBytes') },
  { long: 'max-stderr', value: size('maxStderrBytes') },
  { long: 'output-to-file', short: 'O', flag: on('outputToFile') },
  { long: 'ping', short: 'P', flag: on('ping') },
  { long: 'detach', short: 'D', flag: on('detach') },
  { long: 'stream', flag: on('stream') },
  { long: 'argv', flag: on('argv') },
  { long: 'passthrough', flag: on('passthrough') },
  { long: 'help', short: 'h', flag: on('help') },
  { long: 'version', short: 'V', flag: on('version') },
  { long: 'follow', short: 'f', job: true, flag: on('follow') },
  { long: 'kill', job: true, flag: on('kill') },
  { long: 'output', short: 'o', job: true, flag: on('showOutput') },
  { long: 'interval', job: true, value: count('intervalMs', 50) },
  { long: 'wait-timeout', job: true, value: count('waitTimeoutMs', 1) },
  {
    long: 'stderr',
    job: true,
    flag: settings => {
      settings.tailStream = 'stderr'
    },
  },
  {
    long: 'stdout',
    job: true,
    flag: settings => {
      settings.tailStream = 'stdout'
    },
  },
]

/** Options of `job` are known only behind it, so that `exec -f` is an error and not silence. */
const known = (line: CommandLine, match: (option: Option) => boolean): Option | undefined =>
  OPTIONS.find(option => match(option) && (!option.job || line.command === 'job'))

const readOption = (arg: string, left: string[], line: CommandLine) =>
  arg.startsWith('--') ? readLong(arg, left, line) : readShort(arg, left, line)

function readLong(arg: string, left: string[], line: CommandLine): OptionProblem | null {
  const equals = arg.indexOf('=')
  const name = equals < 0 ? arg : arg.slice(0, equals)
  const option = known(line, candidate => `--${candidate.long}` === name)
  if (!option) return { kind: 'unknown-option', name, command: line.command }
  if (option.flag && equals >= 0) return { kind: 'needless-value', name }
  return apply(option, name, equals < 0 ? () => left.shift() : () => arg.slice(equals + 1), line.settings)
}

/** `-jO`, `-T500` and `-T 500` are all understood. */
function readShort(arg: string, left: string[], line: CommandLine): OptionProblem | null {
  for (let index = 1; index < arg.length; index++) {
    const name = `-${arg[index]}`
    const option = known(line, candidate => candidate.short === arg[index])
    if (!option) return { kind: 'unknown-option', name, command: line.command }
    const attached = arg.slice(index + 1)
    const problem = apply(option, name, () => attached || left.shift(), line.settings)
    if (problem || option.value) return problem
  }
  return null
}

function apply(
  option: Option,
  name: string,
  next: () => string | undefined,
  settings: Settings,
): OptionProblem | null {
  option.flag?.(settings)
  if (!option.value) return null
  const value = next()
  if (value === undefined) return { kind: 'missing-value', name }
  const wanted = option.value(settings, value)
  if (wanted === null) return null
  return { kind: 'bad-value', name, value: name === '-k' || name === '--token' ? '' : value, wanted }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }

function parseSize(value: string): number | null {
  const match = /^(\d{1,15})([KMG]?)$/i.exec(value)
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toUpperCase()]! : Number.NaN
  return Number.isSafeInteger(bytes) ? bytes : null
}
