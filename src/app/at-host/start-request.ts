/** What is sent to the host: the playbook's text or name, and inputs as they were given; the host checks their types. */

import { resolve } from 'node:path'
import type { Json } from '../../document/json.ts'
import { MAX_FILE_BYTES } from '../../document/text-file.ts'
import { Failed } from '../../failure.ts'
import { findPlaybook } from '../../playbook/catalog.ts'
import { givenTexts, inputsFileName, invalidInput, parseInputsFile } from '../../playbook/given-inputs.ts'
import { readInputFile } from '../../playbook/input-file.ts'
import { MAX_INPUT_BYTES } from '../../playbook/input-value.ts'
import { loadPlaybook } from '../../playbook/load.ts'
import type { Settings } from '../../playbook/settings.ts'
import type { Surroundings } from '../../process/surroundings.ts'
import { kinds } from '../../steps/index.ts'
import { isNode } from '../../transport/target.ts'
import type { StartOptions } from '../start-options.ts'
import type { Note } from '../watcher.ts'

export type Wanted = {
  /** Null where only the host knows it. */
  readonly name: string | null
  readonly target: string
  readonly fields: object
}

/** Throws `Failed` for mistakes that can be found here. */
export async function requestFor(
  given: string,
  options: StartOptions,
  settings: Settings,
  around: Surroundings,
  note: (note: Note) => void,
): Promise<Wanted> {
  const isFile = /[\\/]|\.ya?ml$/i.test(given)
  const early = options.target ?? settings.target
  // A name is one of the host's own playbooks, and here this machine is the host.
  const own = isFile || (early ?? 'local') === 'local' ? read(given, options, settings, around, note) : null
  const name = own?.name ?? given
  const pinned = settings.pinned[name] ?? {}
  const named = [...options.input.map(pair => pair.split('=')[0]!), ...Object.keys(options.texts ?? {})]
  const fixed = named.find(key => Object.hasOwn(pinned, key))
  if (fixed !== undefined) {
    const detail = 'its value is fixed in the settings here'
    throw invalidInput({ input: fixed, problem: 'pinned', detail })
  }
  const target = options.target ?? own?.target ?? settings.target ?? 'local'
  if (own !== null && isNode(target)) throw new Failed({ code: 'usage', what: 'names-only', target, given })
  return {
    name: own?.name ?? null,
    target,
    fields: {
      target,
      playbook: own === null ? { name: given } : { text: own.text },
      inputs: { ...settings.inputs[name], ...(await inputsFile(options, around)), ...pinned },
      input_texts: { ...(await inputTexts(options.input, around)), ...options.texts },
      options: {
        allow_dirty: options.allowDirty,
        rollback: options.rollback ? undefined : false,
        check: options.check,
        timeout: options.timeout,
        wait_lock: options.waitLock,
        plan: options.plan,
      },
    },
  }
}

function read(
  given: string,
  options: StartOptions,
  settings: Settings,
  { env, cwd }: Surroundings,
  note: (note: Note) => void,
) {
  const found = findPlaybook(given, { playbooks: options.playbooks, settings, env, cwd })
  if (!found.ok) throw new Failed(found.failure)
  const loaded = loadPlaybook(found.bytes, found.file, kinds)
  if (loaded.ok) return loaded.playbook
  note({ kind: 'mistakes', diagnostics: loaded.diagnostics })
  const mistakes = loaded.diagnostics.filter(({ severity }) => severity === 'error')
  const [first] = mistakes
  throw new Failed({
    code: 'playbook-invalid',
    file: found.file,
    diagnostics: mistakes.length,
    first: first ? `${first.start.line}:${first.start.column}: ${first.message}` : '',
  })
}

async function inputsFile(
  { inputs }: StartOptions,
  { cwd }: Surroundings,
): Promise<{ [name: string]: Json }> {
  if (inputs === undefined) return {}
  const wrong = (problem: string) => unreadable('--inputs', `${inputsFileName(inputs)}: ${problem}`)
  const read = await readInputFile(resolve(cwd, inputs), MAX_FILE_BYTES)
  if (!read.ok) throw wrong(read.problem)
  const parsed = parseInputsFile(read.text)
  if (parsed.ok) return parsed.values
  throw wrong(parsed.problem)
}

/** `key=value`; `key=@file` holds what the file holds here, `key=@@x` is the text `@x`. */
export async function inputTexts(
  pairs: readonly string[],
  around: Surroundings,
): Promise<{ [name: string]: string }> {
  const texts = givenTexts(pairs)
  for (const [name, text] of texts) texts.set(name, await textGiven(name, text, around))
  return Object.fromEntries(texts)
}

async function textGiven(name: string, text: string, { cwd }: Surroundings): Promise<string> {
  if (!text.startsWith('@')) return text
  if (text.startsWith('@@')) return text.slice(1)
  const read = await readInputFile(resolve(cwd, text.slice(1)), MAX_INPUT_BYTES)
  if (read.ok) return read.text.replace(/\r?\n$/, '')
  // Which input is a secret only the host may know, and a secret may begin with @.
  throw unreadable(name, `the file behind @: ${read.problem}; a value that begins with @ is written @@`)
}

const unreadable = (input: string, detail: string) => invalidInput({ input, problem: 'unreadable', detail })
