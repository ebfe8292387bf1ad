/** What a caller gives, read and not judged yet: `-i` pairs, the files behind `@`, the `--inputs` file. */
import { resolve } from 'node:path'
import type { Json } from '../document/json.ts'
import { MAX_FILE_BYTES } from '../document/text-file.ts'
import { Failed, type InputProblem } from '../failure.ts'
import { readInputFile } from './input-file.ts'
import { MAX_INPUT_BYTES } from './input-value.ts'
import type { InputSpec, Playbook } from './playbook.ts'

export type InputOrigin = 'command-line' | 'inputs-file' | 'settings' | 'pinned' | 'default' | 'none'

export type InputSources = {
  /** `key=value` and `key=@file`, in the order given. `key=@@x` is the text `@x`. */
  commandLine: readonly string[]
  /** Path of a JSON file: an object of values. */
  inputsFile?: string | undefined
  settings?: Readonly<Record<string, Json>> | undefined
  pinned?: Readonly<Record<string, Json>> | undefined
  /** What relative file names are relative to. */
  cwd: string
}

export type Candidate = { origin: InputOrigin; text: string } | { origin: InputOrigin; json: Json }
/** Null: given, but not readable, and that is told already. */
export type Given = Map<string, Candidate | null>

export async function readCommandLine(
  { commandLine, cwd }: InputSources,
  playbook: Playbook,
  problems: InputProblem[],
): Promise<Given> {
  const given: Given = new Map()
  for (const [at, argument] of commandLine.entries()) {
    const pair = nameAndText(argument)
    if (pair === null) {
      problems.push(noPair(at))
      continue
    }
    const [name, text] = pair
    if (given.has(name)) {
      problems.push(givenTwice(name))
      continue
    }
    const spec = Object.hasOwn(playbook.inputs, name) ? playbook.inputs[name] : undefined
    const read = await readValue(text, spec, cwd)
    if (!read.ok) problems.push({ input: name, problem: 'unreadable', detail: read.detail })
    given.set(name, read.ok ? { origin: 'command-line', text: read.text } : null)
  }
  return given
}

/** Texts as they were given, by name: nothing is read. Throws `Failed` for the first that is no pair, or given twice. */
export function givenTexts(pairs: readonly string[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [at, argument] of pairs.entries()) {
    const pair = nameAndText(argument)
    if (pair === null) throw invalidInput(noPair(at))
    if (texts.has(pair[0])) throw invalidInput(givenTwice(pair[0]))
    texts.set(...pair)
  }
  return texts
}

export const invalidInput = (problem: InputProblem) =>
  new Failed({ code: 'inputs-invalid', problems: [problem] })

/** The text itself, or what the file behind its `@` holds. */
async function readValue(
  text: string,
  spec: InputSpec | undefined,
  cwd: string,
): Promise<{ ok: true; text: string } | { ok: false; detail: string }> {
  if (text.startsWith('@@')) return { ok: true, text: text.slice(1) }
  if (!text.startsWith('@') || spec === undefined) return { ok: true, text }
  const read = await readInputFile(resolve(cwd, text.slice(1)), MAX_INPUT_BYTES)
  // Editors and `echo` end files with a line feed that is no part of the value.
  if (read.ok) return { ok: true, text: read.text.replace(/\r?\n$/, '') }
  return { ok: false, detail: unreadFile(text, read.problem, spec) }
}

/**
 * Null for what is no pair of a name and a value. That is also the padding of base64 behind a value whose name was
 * forgotten.
 */
function nameAndText(argument: string): [name: string, text: string] | null {
  const [, name, text] = /^([^=]+)=(.*)$/s.exec(argument) ?? []
  if (name === undefined || text === undefined || (/^=?$/.test(text) && name.length > 16)) return null
  return [name, text]
}

/** Which one it is, and not what stands there: it may be the value of a secret. */
const noPair = (at: number): InputProblem => ({
  input: '-i',
  problem: 'unreadable',
  detail: `number ${at + 1} is not written as NAME=VALUE`,
})

const givenTwice = (name: string): InputProblem => ({
  input: shownName(name),
  problem: 'given-twice',
  detail: 'is given twice on the command line',
})

/** The name of a file that is not there may be a secret that begins with @. */
const unreadFile = (text: string, problem: string, { type }: InputSpec) =>
  type === 'secret'
    ? `the file behind @: ${problem}; a value that begins with @ is written @@`
    : `${text.slice(1)}: ${problem}`

/** JSON itself, where the name of its file belongs, may hold secrets. */
export const inputsFileName = (given: string) => (/[{"]/.test(given) ? 'takes the name of a file' : given)

export async function readInputsFile(
  { inputsFile, cwd }: InputSources,
  problems: InputProblem[],
): Promise<Given> {
  if (inputsFile === undefined) return new Map()
  const unreadable = (detail: string): Given => {
    problems.push({
      input: '--inputs',
      problem: 'unreadable',
      detail: `${inputsFileName(inputsFile)}: ${detail}`,
    })
    return new Map()
  }
  const read = await readInputFile(resolve(cwd, inputsFile), MAX_FILE_BYTES)
  if (!read.ok) return unreadable(read.problem)
  const parsed = parseInputsFile(read.text)
  if (!parsed.ok) return unreadable(parsed.problem)
  for (const name of doubledKeys(read.text)) {
    problems.push({ input: shownName(name), problem: 'given-twice', detail: `stands in ${inputsFile} twice` })
  }
  return new Map(
    Object.entries(parsed.values).map(([name, value]) => [name, { origin: 'inputs-file', json: value }]),
  )
}

type ParsedInputs = { ok: true; values: { [name: string]: Json } } | { ok: false; problem: string }

/** Without the parser's own words: they quote the text, and that may hold secrets. */
export function parseInputsFile(text: string): ParsedInputs {
  try {
    const values = JSON.parse(text) as Json
    if (typeof values === 'object' && values !== null && !Array.isArray(values)) return { ok: true, values }
    return { ok: false, problem: 'must hold a JSON object' }
  } catch {
    return { ok: false, problem: 'not JSON' }
  }
}

/** `JSON.parse` takes the last of two equal keys; which of them was meant cannot be known. Text is valid JSON. */
function doubledKeys(text: string): string[] {
  const seen = new Set<string>()
  const doubled = new Set<string>()
  let depth = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[[\]{}]/g)) {
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else if (depth === 1 && token.endsWith(':')) {
      const key = JSON.parse(token.slice(0, -1)) as string
      if (seen.has(key)) doubled.add(key)
      seen.add(key)
    }
  }
  return [...doubled]
}

/** Names are as hostile as values; messages hold them. */
export function shownName(name: string): string {
  const safe = name.replace(/[^\x21-\x7e]/g, '?')
  return safe.length > 64 ? `${safe.slice(0, 61)}...` : safe
}
