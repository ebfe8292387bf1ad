/** From options, environment and targets.conf to one endpoint. Command line over environment over file. */

import type { Env } from '../../process/surroundings.ts'
import { systemError } from '../../process/system-error.ts'
import type { Address, Endpoint } from './link.ts'
import {
  DEFAULT_PORT,
  DEFAULT_SOCKET,
  parseTargets,
  type ReadFile,
  type Target,
  type Targets,
  type TargetsProblem,
  targetsFiles,
} from './targets.ts'

export type EndpointOptions = {
  socket?: string
  /** `host[:port]` */
  address?: string
  target?: string
  targetsFile?: string
  token?: string
  tokenFile?: string
}

export type EndpointProblem =
  | { kind: 'conflict'; options: readonly [string, string] }
  | { kind: 'bad-address'; text: string }
  | { kind: 'no-targets-file'; searched: string[]; wanted?: string }
  | { kind: 'targets-file'; file: string; reason: string }
  | { kind: 'targets-invalid'; problems: TargetsProblem[] }
  | { kind: 'unknown-target'; name: string; known: string[]; file: string }
  | { kind: 'no-token' }
  | { kind: 'token-file'; file: string; from: string; reason: string }
  | { kind: 'bad-token'; from: string }

type Or<T> = ({ ok: true } & T) | { ok: false; problem: EndpointProblem }

export function resolveEndpoint(
  options: EndpointOptions,
  env: Env,
  readFile: ReadFile,
): Or<{ endpoint: Endpoint }> {
  const clash = conflict(options)
  if (clash) return no({ kind: 'conflict', options: clash })
  const found = chooseTarget(options, env, readFile)
  if (!found.ok) return found
  const at = chooseAddress(options, env, found.target)
  if (at === null) return no({ kind: 'bad-address', text: options.address ?? '' })
  const token = chooseToken([commandLine(options), environment(env), fromTarget(found.target)], readFile)
  if (!token.ok) return token
  const { target } = found
  return {
    ok: true,
    endpoint: {
      at,
      token: token.text,
      tokenFrom: token.from,
      ...(token.file === undefined ? {} : { tokenFile: token.file }),
      ...(target ? { target: target.name } : {}),
      ...(target?.timeoutMs === undefined ? {} : { timeoutMs: target.timeoutMs }),
    },
  }
}

/** The endpoint of a target that is listed with others: its own token goes first, so that none gets another's. */
export function endpointOfTarget(
  target: Target,
  options: EndpointOptions,
  env: Env,
  readFile: ReadFile,
): Or<{ endpoint: Endpoint }> {
  const token = chooseToken([commandLine(options), fromTarget(target), environment(env)], readFile)
  if (!token.ok) return token
  return {
    ok: true,
    endpoint: { at: target.at, token: token.text, tokenFrom: token.from, target: target.name },
  }
}

export function loadTargets(
  asked: string | undefined,
  env: Env,
  readFile: ReadFile,
  wanted?: string,
): Or<{ targets: Targets }> {
  const files = targetsFiles(asked, env)
  for (const file of files) {
    const read = tryRead(file, readFile)
    if (!read.ok) return no({ kind: 'targets-file', file, reason: read.reason })
    if (read.text !== null) return { ok: true, targets: parseTargets(read.text, file) }
  }
  return no({ kind: 'no-targets-file', searched: files, ...(wanted === undefined ? {} : { wanted }) })
}

/** `host`, `host:port`, `[v6]:port`; null when it is none of them. */
export function parseAddress(text: string): Address | null {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3])
  return host === undefined || port < 1 || port > 65_535 ? null : { kind: 'tcp', host, port }
}

const no = (problem: EndpointProblem): { ok: false; problem: EndpointProblem } => ({ ok: false, problem })

function conflict(options: EndpointOptions): readonly [string, string] | null {
  if (options.socket !== undefined && options.address !== undefined) return ['--socket', '--address']
  if (options.token !== undefined && options.tokenFile !== undefined) return ['--token', '--token-file']
  return null
}

function chooseTarget(options: EndpointOptions, env: Env, readFile: ReadFile): Or<{ target: Target | null }> {
  const placed = options.socket !== undefined || options.address !== undefined
  const name = options.target ?? (placed ? undefined : env['HOSTLINK_TARGET'] || undefined)
  if (name === undefined) return { ok: true, target: null }
  const loaded = loadTargets(options.targetsFile, env, readFile, name)
  if (!loaded.ok) return loaded
  const { targets, problems, file } = loaded.targets
  // What is wrong in another target's section does not stand in the way of this one.
  const own = problems.filter(problem => problem.section === undefined || problem.section === name)
  if (own.length > 0) return no({ kind: 'targets-invalid', problems: own })
  const target = targets.find(candidate => candidate.name === name)
  if (target) return { ok: true, target }
  return no({ kind: 'unknown-target', name, known: targets.map(known => known.name), file })
}

/** A socket or address on the command line replaces the target's; the target's token and limit still count. */
function chooseAddress(options: EndpointOptions, env: Env, target: Target | null): Address | null {
  if (options.socket !== undefined) return { kind: 'unix', path: options.socket }
  if (options.address !== undefined) return parseAddress(options.address)
  return target?.at ?? { kind: 'unix', path: env['HOSTLINK_SOCKET'] || DEFAULT_SOCKET }
}

type TokenSource = { from: string; text: string } | { from: string; file: string } | null

function commandLine(options: EndpointOptions): TokenSource {
  if (options.token !== undefined) return { from: '--token', text: options.token }
  return options.tokenFile === undefined
    ? null
    : { from: `--token-file ${options.tokenFile}`, file: options.tokenFile }
}

function environment(env: Env): TokenSource {
  if (env['HOSTLINK_TOKEN']) return { from: 'HOSTLINK_TOKEN', text: env['HOSTLINK_TOKEN'] }
  const file = env['HOSTLINK_TOKEN_FILE']
  return file ? { from: `HOSTLINK_TOKEN_FILE (${file})`, file } : null
}

function fromTarget(target: Target | null): TokenSource {
  if (target?.token !== undefined) return { from: `target "${target.name}"`, text: target.token }
  if (target?.tokenFile === undefined) return null
  return { from: `token_file of target "${target.name}" (${target.tokenFile})`, file: target.tokenFile }
}

type Token = { from: string; text: string; file?: string }

function chooseToken(sources: TokenSource[], readFile: ReadFile): Or<Token> {
  const source = sources.find(candidate => candidate !== null)
  if (!source) return no({ kind: 'no-token' })
  if ('text' in source)
    return source.text === '' ? no({ kind: 'bad-token', from: source.from }) : good(source)
  const read = tryRead(source.file, readFile)
  const wrong = (reason: string) => no({ kind: 'token-file', file: source.file, from: source.from, reason })
  if (!read.ok) return wrong(read.reason)
  if (read.text === null) return wrong('no such file')
  const text = read.text.replace(/\r?\n$/, '')
  if (text === '') return wrong('is empty')
  if (/[\r\n]/.test(text)) return wrong('has more than one line')
  return good({ from: source.from, text, file: source.file })
}

const good = (source: Token) => ({ ok: true as const, ...source })

function tryRead(
  file: string,
  readFile: ReadFile,
): { ok: true; text: string | null } | { ok: false; reason: string } {
  try {
    return { ok: true, text: readFile(file) }
  } catch (error) {
    return { ok: false, reason: systemError(error).words }
  }
}
