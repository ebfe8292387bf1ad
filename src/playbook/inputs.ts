/**
 * From what a caller gives to the values that a run has: command line over `--inputs` file over settings over
 * default. Pinned values are the host owner's: a caller who gives one is told, even when it is the same value, so
 * that nobody can find out a pinned secret by trying. All problems are told at once.
 */
import { promises } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Failed, type InputProblem } from '../failure.ts'
import { nearest } from '../hostlink/nearest.ts'
import type { Json } from '../steps/step.ts'
import { dependencies, type Known } from './expression.ts'
import { type Checked, checkInput, inputFromText, MAX_INPUT_BYTES } from './input-value.ts'
import { expressionTypes } from './load.ts'
import type { InputSpec, Playbook } from './playbook.ts'
import { evaluate } from './resolve.ts'
import { hasExpressions } from './template.ts'

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

export type ResolvedInputs =
  | { ok: true; values: { [name: string]: Json }; origins: { [name: string]: InputOrigin } }
  | { ok: false; problems: InputProblem[] }

/** 1 MiB of JSON at most; 64 KiB for one value. */
const MAX_FILE_BYTES = 1024 * 1024

type Candidate = { origin: InputOrigin; text: string } | { origin: InputOrigin; json: Json }
/** Null: given, but not readable, and that is told already. */
type Given = Map<string, Candidate | null>

export async function resolveInputs(playbook: Playbook, sources: InputSources): Promise<ResolvedInputs> {
  const problems: InputProblem[] = []
  const fromFile = await readInputsFile(sources, problems)
  const fromCommandLine = await readCommandLine(sources, playbook, problems)
  const given: Given = new Map()
  for (const [name, json] of Object.entries(sources.settings ?? {}))
    given.set(name, { origin: 'settings', json })
  for (const [name, candidate] of [...fromFile, ...fromCommandLine]) {
    if (Object.hasOwn(sources.pinned ?? {}, name)) {
      problems.push({
        input: name,
        problem: 'pinned',
        detail: 'its value is fixed in the settings of this host',
      })
    }
    given.set(name, candidate)
  }
  for (const [name, json] of Object.entries(sources.pinned ?? {})) given.set(name, { origin: 'pinned', json })
  return settle(playbook, given, problems)
}

function settle(playbook: Playbook, given: Given, problems: InputProblem[]): ResolvedInputs {
  const values: { [name: string]: Json } = {}
  const origins: { [name: string]: InputOrigin } = {}
  // Prototype names are no inputs: `in` would find them, `hasOwn` does not.
  for (const name of given.keys()) {
    if (Object.hasOwn(playbook.inputs, name)) continue
    const suggestion = nearest(name, Object.keys(playbook.inputs))
    const detail = `${playbook.name} has no such input`
    problems.push({
      input: shown(name),
      problem: 'unknown',
      detail,
      ...(suggestion === undefined ? {} : { suggestion }),
    })
  }
  for (const [name, spec] of Object.entries(playbook.inputs)) {
    const candidate = given.get(name)
    if (candidate === null) continue
    const checked =
      candidate === undefined ? fromDefault(playbook, name, spec, values) : check(spec, candidate)
    if (checked === null) continue
    if (checked.ok) {
      values[name] = checked.value
      origins[name] = candidate?.origin ?? (spec.default === undefined ? 'none' : 'default')
    } else {
      const missing = candidate === undefined && spec.default === undefined
      problems.push({ input: name, problem: missing ? 'missing' : 'ill-typed', detail: checked.detail })
    }
  }
  return problems.length === 0 ? { ok: true, values, origins } : { ok: false, problems }
}

function check(spec: InputSpec, candidate: Candidate): Checked {
  return 'text' in candidate ? inputFromText(spec, candidate.text) : checkInput(spec, candidate.json)
}

/** Null: it cannot be told, because an input that it depends on is wrong, which is told already. */
function fromDefault(
  playbook: Playbook,
  name: string,
  spec: InputSpec,
  values: { [name: string]: Json },
): Checked | null {
  if (spec.default === undefined) {
    if (spec.optional) return { ok: true, value: null }
    const description = spec.description === undefined ? '' : `: ${spec.description}`
    return { ok: false, detail: `needs a ${spec.type}${description}` }
  }
  if (!hasExpressions(spec.default)) return checkInput(spec, spec.default as Json)
  const known: Known = { types: expressionTypes(playbook), inputs: values, steps: {}, run: {}, env: {} }
  if (dependencies(spec.default, known.types).inputs.some(each => !Object.hasOwn(values, each))) return null
  try {
    const checked = checkInput(spec, evaluate(spec.default, known, `inputs.${name}.default`))
    return checked.ok ? checked : { ok: false, detail: `its default ${checked.detail}` }
  } catch (error) {
    if (!(error instanceof Failed) || error.failure.code !== 'expression-failed') throw error
    return { ok: false, detail: `its default cannot be computed: ${error.failure.problem}` }
  }
}

async function readCommandLine(
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
      problems.push({
        input: shown(name),
        problem: 'given-twice',
        detail: 'stands on the command line twice',
      })
      continue
    }
    if (!text.startsWith('@')) given.set(name, { origin: 'command-line', text })
    else if (text.startsWith('@@')) given.set(name, { origin: 'command-line', text: text.slice(1) })
    else if (Object.hasOwn(playbook.inputs, name)) {
      const read = await readBounded(resolve(cwd, text.slice(1)), MAX_INPUT_BYTES)
      // Editors and `echo` end files with a line feed that is no part of the value.
      if (read.ok) given.set(name, { origin: 'command-line', text: read.text.replace(/\r?\n$/, '') })
      else
        problems.push({
          input: name,
          problem: 'unreadable',
          detail: unreadFile(text, read.problem, playbook.inputs[name]!),
        })
      if (!read.ok) given.set(name, null)
    } else given.set(name, { origin: 'command-line', text })
  }
  return given
}

/**
 * Null for what is no pair of a name and a value. That is also the padding of base64 behind a value whose name was
 * forgotten.
 */
export function nameAndText(argument: string): [name: string, text: string] | null {
  const [, name, text] = /^([^=]+)=(.*)$/s.exec(argument) ?? []
  if (name === undefined || text === undefined || (/^=?$/.test(text) && name.length > 16)) return null
  return [name, text]
}

/** Which one it is, and not what stands there: it may be the value of a secret. */
export const noPair = (at: number): InputProblem => ({
  input: '-i',
  problem: 'unreadable',
  detail: `number ${at + 1} is not written as NAME=VALUE`,
})

/** The name of a file that is not there may be a secret that begins with @. */
const unreadFile = (text: string, problem: string, { type }: InputSpec) =>
  type === 'secret'
    ? `the file behind @: ${problem}; a value that begins with @ is written @@`
    : `${text.slice(1)}: ${problem}`

/** JSON itself, where the name of its file belongs, may hold secrets. */
export const inputsFileName = (given: string) => (/[{"]/.test(given) ? 'takes the name of a file' : given)

async function readInputsFile({ inputsFile, cwd }: InputSources, problems: InputProblem[]): Promise<Given> {
  if (inputsFile === undefined) return new Map()
  const unreadable = (detail: string): Given => {
    problems.push({
      input: '--inputs',
      problem: 'unreadable',
      detail: `${inputsFileName(inputsFile)}: ${detail}`,
    })
    return new Map()
  }
  const read = await readBounded(resolve(cwd, inputsFile), MAX_FILE_BYTES)
  if (!read.ok) return unreadable(read.problem)
  const parsed = parseInputsFile(read.text)
  if (!parsed.ok) return unreadable(parsed.problem)
  for (const name of doubledKeys(read.text)) {
    problems.push({ input: shown(name), problem: 'given-twice', detail: `stands in ${inputsFile} twice` })
  }
  return new Map(
    Object.entries(parsed.values).map(([name, value]) => [name, { origin: 'inputs-file', json: value }]),
  )
}

export type ParsedInputs = { ok: true; values: { [name: string]: Json } } | { ok: false; problem: string }

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

type Read = { ok: true; text: string } | { ok: false; problem: string }

/** Reads at most one byte more than allowed, so that /dev/zero is as harmless as a large file. */
async function readBounded(path: string, limit: number): Promise<Read> {
  let file: FileHandle | undefined
  try {
    file = await promises.open(path, 'r')
    const buffer = Buffer.alloc(limit + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null)
      length += bytesRead
      if (length > limit) return { ok: false, problem: `holds more than ${limit / 1024} KiB` }
      if (bytesRead === 0) break
    }
    const text = buffer.toString('utf8', 0, length)
    if (text.includes('\ufffd')) return { ok: false, problem: 'is not UTF-8 text' }
    return { ok: true, text }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const problem = { ENOENT: 'there is no such file', EISDIR: 'is a folder', EACCES: 'may not be read' }[
      code ?? ''
    ]
    return { ok: false, problem: problem ?? `cannot be read (${code})` }
  } finally {
    await file?.close()
  }
}

/** Names are as hostile as values; messages hold them. */
function shown(name: string): string {
  const safe = name.replace(/[^\x21-\x7e]/g, '?')
  return safe.length > 64 ? `${safe.slice(0, 61)}...` : safe
}
