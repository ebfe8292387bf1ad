/** targets.conf: sections `[name]`, whole-line comments, `key = value`. Reading is pure; files come from the caller. */
import type { Env } from '../../process/surroundings.ts'
import type { Address } from './link.ts'

export const DEFAULT_SOCKET = '/run/hostlink/hostlink.sock'
export const DEFAULT_PORT = 9876
const SYSTEM_FILE = '/etc/hostlink/targets.conf'

export type Target = {
  name: string
  at: Address
  token?: string
  tokenFile?: string
  timeoutMs?: number
}

export type TargetsProblem = { file: string; line: number; section?: string; reason: string }
export type Targets = { file: string; targets: Target[]; problems: TargetsProblem[] }

/** Returns the text, or null when there is no such file; throws when there is one that cannot be read. */
export type ReadFile = (path: string) => string | null
/** Where targets are looked for; a file that was asked for by name is the only candidate. */
export function targetsFiles(asked: string | undefined, env: Env): string[] {
  const named = asked ?? (env['HOSTLINK_TARGETS'] || undefined)
  if (named !== undefined) return [named]
  return env['HOME'] ? [SYSTEM_FILE, `${env['HOME']}/.config/hostlink/targets.conf`] : [SYSTEM_FILE]
}

export function parseTargets(text: string, file: string): Targets {
  const problems: TargetsProblem[] = []
  const sections: Section[] = []
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const reason = readLine(raw.trim(), index + 1, sections)
    if (reason === null) continue
    const section = sections.at(-1)?.name
    problems.push({ file, line: index + 1, ...(section === undefined ? {} : { section }), reason })
  }
  const targets: Target[] = []
  for (const section of sections) {
    const found = toTarget(section, (line, reason) =>
      problems.push({ file, line, section: section.name, reason }),
    )
    if (found !== null) targets.push(found)
  }
  return { file, targets, problems: problems.sort((a, b) => a.line - b.line) }
}

type Section = { name: string; line: number; values: Map<string, { value: string; line: number }> }

function readLine(line: string, number: number, sections: Section[]): string | null {
  if (line === '' || line.startsWith('#') || line.startsWith(';')) return null
  if (line.startsWith('[')) {
    const name = /^\[([^\]]*)\]$/.exec(line)?.[1]?.trim()
    if (!name) return 'a section is written [name]'
    const known = sections.find(section => section.name === name)
    if (known) return `target "${name}" is already defined in line ${known.line}`
    sections.push({ name, line: number, values: new Map() })
    return null
  }
  const equals = line.indexOf('=')
  if (equals < 1) return 'neither a [name] nor key = value'
  const section = sections.at(-1)
  if (!section) return 'stands before the first [name]'
  const key = line.slice(0, equals).trim()
  const earlier = section.values.get(key)
  if (earlier) return `${key} is already set in line ${earlier.line}`
  section.values.set(key, { value: line.slice(equals + 1).trim(), line: number })
  return null
}

function toTarget(section: Section, problem: (line: number, reason: string) => void): Target | null {
  const { name, values } = section
  const value = (key: string) => values.get(key)?.value || undefined
  const number = (key: string, least: number, most: number): number | undefined => {
    const entry = values.get(key)
    if (!entry || entry.value === '') return undefined
    const parsed = /^\d+$/.test(entry.value) ? Number(entry.value) : Number.NaN
    if (parsed >= least && parsed <= most) return parsed
    problem(entry.line, `${key} is not a whole number from ${least} to ${most}: "${entry.value}"`)
    return undefined
  }
  const transport = value('transport') ?? (value('address') === undefined ? 'unix' : 'tcp')
  const port = number('port', 1, 65_535) ?? DEFAULT_PORT
  const timeoutMs = number('timeout_ms', 1, 2_147_483_647)
  const at = toAddress(transport, value('socket'), value('address'), port)
  if (typeof at === 'string') {
    problem(values.get('transport')?.line ?? section.line, at)
    return null
  }
  const token = value('token')
  const tokenFile = value('token_file')
  return {
    name,
    at,
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  }
}

function toAddress(
  transport: string,
  socket: string | undefined,
  host: string | undefined,
  port: number,
): Address | string {
  if (transport === 'unix') return { kind: 'unix', path: socket ?? DEFAULT_SOCKET }
  if (transport !== 'tcp') return `transport is neither unix nor tcp: "${transport}"`
  return host === undefined ? 'transport is tcp, but address is missing' : { kind: 'tcp', host, port }
}
