/** One command of shell text: its words as far as they are certain, and what it changes for those behind it. Pure. */
import {
  environmentOf,
  inFolder,
  isKnown,
  type Scope,
  UNKNOWN,
  unsure,
  withExport,
  withVar,
} from './shell-scope.ts'
import type { Piece } from './shell-tokens.ts'

export type Simple = {
  argv: readonly string[]
  cwd: string | undefined
  env: ReadonlyMap<string, string>
  scope: Scope
}

const ASSIGNMENT = /^([A-Za-z_]\w*)(\+?)=/s

/** Of text that is run for what it prints. */
type Reading = (text: string, scope: Scope) => { commands: Simple[]; whole: boolean }
type Read = { commands: Simple[]; scope: Scope; whole: boolean }

/** One command with the commands whose output it is made of. */
export function simpleCommand(given: readonly Piece[][], before: Scope, read: Reading): Read {
  const inner = given.flat().flatMap(piece => ('printed' in piece ? [read(piece.printed, before)] : []))
  const commands = inner.flatMap(each => each.commands)
  const whole = inner.every(each => each.whole)
  const assignments = given.findIndex(pieces => !isAssignment(pieces))
  const count = assignments < 0 ? given.length : assignments
  let own = before
  for (const pieces of given.slice(0, count)) own = assigned(own, joined(pieces, own))
  const argv = given.slice(count).flatMap(pieces => fields(pieces, before))
  if (argv.length === 0) return { commands, whole, scope: own }
  const builtin = afterBuiltin(argv, before)
  if (builtin) return { commands, whole, scope: builtin }
  const env = environmentOf(before)
  for (const pieces of given.slice(0, count)) {
    const [, name = ''] = ASSIGNMENT.exec(joined(pieces, before))!
    env.set(name, own.vars.get(name) ?? UNKNOWN)
  }
  const isSourced = argv[0] === '.' || argv[0] === 'source' || argv[0] === 'eval'
  commands.push({ argv, cwd: before.cwd, env, scope: before })
  return { commands, whole, scope: isSourced ? unsure(before) : before }
}

export const isAssigning = (piece: Piece): boolean =>
  'text' in piece && !piece.quoted && ASSIGNMENT.exec(piece.text)?.[0] === piece.text
const isAssignment = ([first]: readonly Piece[]): boolean =>
  first !== undefined && 'text' in first && !first.quoted && ASSIGNMENT.test(first.text)

function assigned(scope: Scope, text: string): Scope {
  const found = ASSIGNMENT.exec(text)
  if (!found) return scope
  const [all, name = '', adds] = found
  return withVar(scope, name, adds ? UNKNOWN : text.slice(all.length))
}

/** What builtins change; null for whatever runs as a command. */
function afterBuiltin(argv: readonly string[], scope: Scope): Scope | null {
  const [name = '', ...rest] = argv
  const plain = rest.filter(word => !/^-./s.test(word))
  switch (name) {
    case 'cd':
    case 'pushd':
      return inFolder(scope, plain.length === 1 ? plain[0]! : UNKNOWN)
    case 'popd':
      return inFolder(scope, UNKNOWN)
    case 'export':
    case 'declare':
    case 'typeset':
    case 'local':
    case 'readonly':
      return plain.reduce((now, word) => withExport(assigned(now, word), word.split('=')[0]!), scope)
    case 'unset':
    case 'read':
    case 'getopts':
      return plain.reduce((now, word) => withVar(now, word, UNKNOWN), scope)
    case 'set':
    case 'shift':
      return [...scope.vars.keys()]
        .filter(each => /^\d+$/.test(each))
        .reduce((now, each) => withVar(now, each, UNKNOWN), scope)
    default:
      return null
  }
}

const joined = (pieces: readonly Piece[], scope: Scope): string =>
  pieces.map(piece => textOf(piece, scope)).join('')

function textOf(piece: Piece, { vars }: Scope): string {
  if ('text' in piece) return piece.text
  return 'name' in piece ? (vars.get(piece.name) ?? UNKNOWN) : UNKNOWN
}

/** The words that one word becomes: a variable without quotes may be none, or several. */
function fields(pieces: readonly Piece[], scope: Scope): string[] {
  const found: string[] = []
  let open: string | null = null
  for (const piece of pieces) {
    const value = textOf(piece, scope)
    if ('text' in piece || piece.quoted || !isKnown(value)) {
      open = (open ?? '') + value
      continue
    }
    const parts = value.split(/[ \t\n]+/)
    parts.forEach((part, at) => {
      if (at > 0) {
        if (open !== null && open !== '') found.push(open)
        open = null
      }
      if (part !== '') open = (open ?? '') + part
    })
  }
  return open === null ? found : [...found, open]
}
