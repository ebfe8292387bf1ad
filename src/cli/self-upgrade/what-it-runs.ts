/** The commands that an argv comes down to: behind programs that run others, and in the text of shells. Pure. */

import { inFolder, isKnown, type Ran, UNKNOWN } from './place.ts'
import { readShell } from './shell-text.ts'
import { INTERPRETER, OPEN, unwrap } from './wrappers.ts'

export type Runs = {
  commands: Ran[]
  /** What may run anything, as far as the words tell. */
  opaque: Ran[]
}

const SHELL = /^(ba|da|z|k|a)?sh$/
/** They could run programs, and are there to work on text. */
const TEXT_TOOL = /^([gm]?awk|sed|ed)$/
/** A file of one's own. */
const OWN_FILE = /^(?!\/(usr\/)?s?bin\/[^/]+$).*\/|\.(sh|bash|py|pl|rb|js|mjs|ts)$/
const NOTHING: Runs = { commands: [], opaque: [] }
const LONGEST_TEXT = 64 * 1024
const DEEPEST = 8

export function whatItRuns(ran: Ran, depth = 0): Runs {
  const { argv } = ran
  const program = argv[0] ?? ''
  if (!isKnown(program)) return { commands: [], opaque: [ran] }
  const name = program.split('/').at(-1) ?? ''
  const wrapped = behindWrapper(name, ran)
  if (wrapped) {
    const inner = wrapped.inner ? whatItRuns(wrapped.inner, depth) : NOTHING
    return wrapped.sure ? inner : { ...inner, opaque: [...inner.opaque, ran] }
  }
  if (SHELL.test(name)) return shell(ran, depth)
  switch (name) {
    case 'exec':
    case 'command':
    case 'builtin':
      return argv.length > 1 && !argv[1]!.startsWith('-')
        ? whatItRuns({ ...ran, argv: argv.slice(1) }, depth)
        : { commands: [], opaque: argv.length > 1 && name === 'exec' ? [ran] : [] }
    case 'eval':
      return ofText(argv.slice(1).join(' '), ran, depth)
    case 'trap':
      return ofText(argv[1] ?? '', ran, depth)
    case 'su':
    case 'runuser':
      return asUser(ran, depth)
    case '.':
    case 'source':
      return { commands: [], opaque: [ran] }
  }
  const isOpaque =
    (INTERPRETER.test(name) && !TEXT_TOOL.test(name)) || OPEN.test(name) || OWN_FILE.test(program)
  return isOpaque ? { commands: [], opaque: [ran] } : { commands: [ran], opaque: [] }
}

/** What `sudo`, `env`, `timeout`, ... run. An option that is not known may mean anything. */
function behindWrapper(name: string, ran: Ran): { inner: Ran | null; sure: boolean } | null {
  const { argv } = ran
  const wrapped = unwrap(name, argv)
  if (wrapped === null) return null
  const sure = wrapped.unknown.every(option => /^-\d/.test(option.name))
  if (wrapped.inner === null) return { inner: null, sure }
  let { cwd } = ran
  for (const { name: option, value } of wrapped.given)
    if (/^(-C|-D|--chdir)$/.test(option) && /^(sudo|env)$/.test(name)) cwd = inFolder(cwd, value ?? UNKNOWN)
  const env = new Map(ran.env)
  for (const at of wrapped.assigned) {
    const [variable = '', value = ''] = (argv[at] ?? '').split(/=(.*)/s)
    env.set(variable, value)
  }
  const rest = argv.slice(wrapped.inner)
  const words = name === 'flock' && rest[0] === '-c' ? ['sh', ...rest] : rest
  // What xargs reads becomes the end of it.
  return { inner: { argv: name === 'xargs' ? [...words, UNKNOWN] : words, cwd, env }, sure }
}

/** `su -c TEXT`: in the user's own folder, or in this one. */
function asUser(ran: Ran, depth: number): Runs {
  const { argv } = ran
  const at = argv.findIndex(word => word === '-c' || word === '--command')
  const text = at < 0 ? undefined : argv[at + 1]
  return text === undefined ? { commands: [], opaque: [ran] } : ofText(text, { ...ran, cwd: UNKNOWN }, depth)
}

/** `sh -c TEXT NAME ARGUMENT...`; its file, or what it reads, is not known here. */
function shell(ran: Ran, depth: number): Runs {
  const { argv } = ran
  let hasText = false
  let at = 1
  for (let word = argv[at]; word !== undefined && /^[-+]./s.test(word); word = argv[at]) {
    at += /^[-+][A-Za-z]*[oO]$/.test(word) ? 2 : 1
    hasText ||= /^-[A-Za-z]*c/.test(word)
    if (word === '--') break
  }
  const text = argv[at]
  if (!hasText || text === undefined) return { commands: [], opaque: [ran] }
  return ofText(text, ran, depth, argv.slice(at + 1))
}

function ofText(text: string, ran: Ran, depth: number, positional: readonly string[] = []): Runs {
  if (!isKnown(text) || text.length > LONGEST_TEXT || depth >= DEEPEST) return { commands: [], opaque: [ran] }
  const { commands, whole } = readShell(text, ran, positional)
  const inner = commands.map(command => whatItRuns(command, depth + 1))
  return {
    commands: inner.flatMap(each => each.commands),
    opaque: [...inner.flatMap(each => each.opaque), ...(whole ? [] : [ran])],
  }
}
