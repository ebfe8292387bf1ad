/** Reads the wire vectors of test/hostlink/vectors; their format is described in the README there. */
import { readdirSync, readFileSync } from 'node:fs'

export type Vector = {
  name: string
  about: string
  from: 'client' | 'daemon' | 'either'
  bytes: Buffer
  /** How the sender cuts the bytes: one packet, pieces, or each frame after the answer to the one before. */
  sends: { pieces: number } | 'at once' | 'answer by answer'
  ends: boolean
  decodes: string[]
  daemon: string[]
  request: 'ping' | 'exec' | 'stream'
  client: string | undefined
}

const folder = new URL('../hostlink/vectors/', import.meta.url)
const KEYS = new Set(['about', 'from', 'sends', 'then', 'decodes', 'daemon', 'request', 'client'])

export const loadVectors = (): Vector[] =>
  readdirSync(folder)
    .filter(file => file.endsWith('.txt'))
    .sort()
    .map(file => parseVector(file.slice(0, -'.txt'.length), readFileSync(new URL(file, folder), 'utf8')))

export function parseVector(name: string, text: string): Vector {
  const blank = text.indexOf('\n\n')
  if (blank === -1) throw new Error(`${name}: no blank line behind the header`)
  const header = parseHeader(name, text.slice(0, blank))
  const one = (key: string) => header.get(key)?.[0]
  return {
    name,
    about: one('about') ?? fail(name, 'about is missing'),
    from: oneOf(name, 'from', one('from'), ['client', 'daemon', 'either']),
    bytes: parseHex(name, text.slice(blank + 2)),
    sends: parseSends(name, one('sends') ?? 'at once'),
    ends: oneOf(name, 'then', one('then') ?? 'waits', ['waits', 'ends']) === 'ends',
    decodes: (header.get('decodes') ?? []).filter(verdict => verdict !== 'nothing'),
    daemon: header.get('daemon') ?? [],
    request: oneOf(name, 'request', one('request') ?? 'exec', ['ping', 'exec', 'stream']),
    client: one('client'),
  }
}

/** A pattern is the exact text of an answer, but for `<int>`, `<text>` and the like. */
export function answerPattern(pattern: string): RegExp {
  const source = pattern
    .split(/(<[a-z0-9]+>)/)
    .map(part => PLACEHOLDERS.get(part) ?? part.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
    .join('')
  return new RegExp(`^${source}$`, 'u')
}

const PLACEHOLDERS = new Map([
  ['<int>', '\\d+'],
  ['<text>', '(?:[^"\\\\]|\\\\.)*'],
  ['<name>', '[A-Za-z0-9._-]+'],
  ['<path>', '/(?:(?!\\.\\.)[A-Za-z0-9._/-])*'],
  ['<hex12>', '[0-9a-f]{12}'],
  ['<list>', '[^\\]]*'],
  ['<any>', '.*'],
  ['<more>', '(?:,.*)?'],
])

function parseHeader(name: string, text: string): Map<string, string[]> {
  const header = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ')
    const key = line.slice(0, colon)
    if (!KEYS.has(key)) fail(name, `unknown header "${line}"`)
    header.set(key, [...(header.get(key) ?? []), line.slice(colon + 2)])
  }
  return header
}

function parseHex(name: string, text: string): Buffer {
  const parts = text.split('\n').map(line => {
    const hex = line.replace(/#.*/, '').trim()
    const repeated = /^\(([0-9a-f ]+)\) x (\d+)$/.exec(hex)
    const bytes = Buffer.from((repeated?.[1] ?? hex).replaceAll(' ', ''), 'hex')
    if (!/^([0-9a-f]{2}( [0-9a-f]{2})*)?$/.test(repeated?.[1] ?? hex)) fail(name, `no hex: "${line}"`)
    return repeated ? Buffer.concat(new Array<Buffer>(Number(repeated[2])).fill(bytes)) : bytes
  })
  return Buffer.concat(parts)
}

function parseSends(name: string, text: string): Vector['sends'] {
  if (text === 'at once' || text === 'answer by answer') return text
  if (text === 'byte by byte') return { pieces: 1 }
  const pieces = /^in pieces of (\d+)$/.exec(text)
  return pieces ? { pieces: Number(pieces[1]) } : fail(name, `sends: "${text}"`)
}

function oneOf<const T extends string>(
  name: string,
  key: string,
  value: string | undefined,
  allowed: T[],
): T {
  return allowed.find(candidate => candidate === value) ?? fail(name, `${key}: "${value}"`)
}

function fail(name: string, what: string): never {
  throw new Error(`vector ${name}: ${what}`)
}
