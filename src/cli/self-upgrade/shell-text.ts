/**
 * The commands that stand in shell text, wherever in it: which of them run, and how often, is known only when it runs.
 * So a name that is set anywhere in the text is known nowhere in it, and a folder is known where every way leads to it.
 * Pure.
 */
import { inFolder, isKnown, type Place, type Ran, UNKNOWN } from './place.ts'
import { literal, type Piece, type Token, tokensOf } from './shell-tokens.ts'

export type ShellText = {
  commands: Ran[]
  /** False where the text could not be made sense of to its end. */
  whole: boolean
}

const OPENS = new Set(['if', 'while', 'until', 'for', 'select', 'case', '{'])
const CLOSES = new Set(['fi', 'done', 'esac', '}'])
/** The shell's own words, in front of a command. */
const IN_FRONT = new Set(['if', 'while', 'until', '{', 'then', 'do', 'else', 'elif', '!', ...CLOSES])
const LOOPS = /^(for|select)$/
const JOINS = /^(&&|\|)/
const MOVES = new Set(['cd', 'chdir', 'pushd', 'popd'])
const ASSIGNMENT = /^([A-Za-z_]\w*)\+?=/
/** What they are given are names that they set. */
const SETS = /^(for|select|read|readarray|mapfile|getopts|unset|export|declare|typeset|local|readonly)$/
const DEEPEST = 8

/** `positional`: what `$0`, `$1`, ... stand for. */
export function readShell(
  text: string,
  place: Place,
  positional: readonly string[] = [],
  depth = 0,
): ShellText {
  if (depth > DEEPEST) return { commands: [], whole: false }
  const { tokens, whole } = tokensOf(text)
  const certain = withoutChanged(place, positional, tokens)
  const inner = (printed: string, at: Place) => readShell(printed, at, [], depth + 1)
  const reader = readGroup(tokens, 0, certain, inner, depth)
  return { commands: reader.commands, whole: whole && reader.whole && reader.end === tokens.length }
}

type Certain = Place & {
  /** What is known of variables, exported or not. */
  readonly vars: ReadonlyMap<string, string>
  /** A function runs where it is called. */
  readonly hasFunctions: boolean
}

function withoutChanged(place: Place, positional: readonly string[], tokens: readonly Token[]): Certain {
  const changed = new Set<string>()
  let setsNames = false
  let doesAnything = false
  let shifts = false
  let hasFunctions = false
  let isFirst = true
  for (const [at, token] of tokens.entries()) {
    if ('op' in token) {
      const next = tokens[at + 1]
      hasFunctions ||= token.op === '(' && !isFirst && next !== undefined && 'op' in next && next.op === ')'
      isFirst = true
      setsNames = false
      continue
    }
    const word = literal(token.pieces)
    const name = ASSIGNMENT.exec(word)?.[1]
    if (name !== undefined) changed.add(name)
    if (setsNames) changed.add(word)
    setsNames ||= SETS.test(word)
    doesAnything ||= /^(\.|source|eval)$/.test(word)
    shifts ||= /^(set|shift)$/.test(word)
    hasFunctions ||= word === 'function'
    isFirst = false
  }
  const given = [...positional.entries()].map(([index, value]) => [`${index}`, value] as const)
  const all = [...place.env, ...(hasFunctions || shifts ? [] : given)]
  const known = (name: string, value: string) => (doesAnything || changed.has(name) ? UNKNOWN : value)
  const env = new Map(place.env)
  for (const name of [...(doesAnything ? env.keys() : []), ...changed]) env.set(name, UNKNOWN)
  const vars = new Map(all.map(([name, value]) => [name, known(name, value)]))
  return { cwd: doesAnything ? UNKNOWN : place.cwd, env, vars, hasFunctions }
}

type Inner = (printed: string, at: Place) => ShellText
type Group = ShellText & { end: number }

/** Up to the bracket that closes it. What happens in brackets of its own stays there. */
function readGroup(
  tokens: readonly Token[],
  from: number,
  certain: Certain,
  inner: Inner,
  depth: number,
): Group {
  if (depth > DEEPEST) return { commands: [], whole: false, end: tokens.length }
  const commands: Ran[] = []
  let { cwd } = certain
  let whole = true
  let wanders = false
  let words: Piece[][] = []
  let blocks = 0
  let isPattern = false
  /** What stands in front of the command that is read. */
  let joint = '\n'
  let at = from

  const add = (found: ShellText) => {
    commands.push(...found.commands)
    whole &&= found.whole
  }
  const flush = (op: string) => {
    const command = commandOf(words, { ...certain, cwd })
    words = []
    if (command === null) return
    const isSure = blocks === 0 && !certain.hasFunctions && !JOINS.test(joint) && !/^(\|&?|&)$/.test(op)
    if (!MOVES.has(command.argv[0]!)) commands.push(command)
    else if (isSure) cwd = inFolder(cwd, movedTo(command.argv))
    else wanders = true
  }
  const takeWord = (pieces: Piece[]) => {
    for (const piece of pieces) if ('printed' in piece) add(inner(piece.printed, { ...certain, cwd }))
    const word = pieces.every(piece => 'text' in piece && !piece.quoted) ? literal(pieces) : ''
    if (isPattern && word !== 'esac') return
    if (words.length === 0) {
      if (OPENS.has(word)) blocks += 1
      if (CLOSES.has(word)) blocks -= 1
      if (word === 'esac') isPattern = false
      if (IN_FRONT.has(word)) return
    }
    words.push(pieces)
    const first = literal(words[0]!)
    if (first === 'function' && words.length === 2) words = []
    if (first === 'case' && word === 'in' && words.length === 3) {
      words = []
      isPattern = true
    }
  }
  const takeBrackets = () => {
    if (isPattern) return
    const last = words.at(-1)
    const array = last?.some(isAssigning) === true
    if (words.length > 0 && !array) {
      // `name()`: what the function does stands behind.
      if (words.length > 1 || !isOp(tokens[at + 1], ')')) whole = false
      words = []
    }
    const group = readGroup(tokens, at + 1, { ...certain, cwd }, inner, depth + 1)
    at = group.end
    if (!isOp(tokens[at], ')')) whole = false
    add(group)
    if (array) last!.push({ unknown: true, quoted: true })
    else joint = ')'
  }
  const takeOperator = (op: string) => {
    // A line may end behind what joins two commands.
    const goesOn = op === '\n' && words.length === 0 && JOINS.test(joint)
    flush(op)
    if (!goesOn) joint = op
    if (op === ')') isPattern = false
    if (/^;[;&]/.test(op)) isPattern = true
  }

  for (; at < tokens.length; at++) {
    const token = tokens[at]!
    if ('pieces' in token) takeWord(token.pieces)
    else if (token.op === '(') takeBrackets()
    else if (token.op === ')' && !isPattern && from > 0) break
    else takeOperator(token.op)
  }
  flush('\n')
  return {
    commands: wanders ? commands.map(each => ({ ...each, cwd: UNKNOWN })) : commands,
    whole: whole && blocks === 0 && !isPattern,
    end: at,
  }
}

const isOp = (token: Token | undefined, op: string): boolean =>
  token !== undefined && 'op' in token && token.op === op
const isAssigning = (piece: Piece): boolean =>
  'text' in piece && !piece.quoted && ASSIGNMENT.exec(piece.text)?.[0] === piece.text

/** Null where the words only set variables, or are the head of a loop. */
function commandOf(words: readonly Piece[][], { cwd, env, vars }: Certain): Ran | null {
  const first = words.findIndex(pieces => !ASSIGNMENT.test(literal(pieces)))
  if (first < 0) return null
  const own = new Map(env)
  for (const pieces of words.slice(0, first)) {
    const [, name = '', value = ''] = /^(\w+)\+?=(.*)/s.exec(joined(pieces, vars)) ?? []
    own.set(name, value)
  }
  const argv = words.slice(first).flatMap(pieces => fields(pieces, vars))
  return argv.length === 0 || LOOPS.test(argv[0]!) ? null : { argv, cwd, env: own }
}

/** `cd FOLDER`, with options or without. */
function movedTo(argv: readonly string[]): string {
  const plain = argv.slice(1).filter(word => !/^-./s.test(word))
  return argv[0] !== 'popd' && plain.length === 1 ? plain[0]! : UNKNOWN
}

type Vars = ReadonlyMap<string, string>

const joined = (pieces: readonly Piece[], vars: Vars): string =>
  pieces.map(piece => textOf(piece, vars)).join('')

function textOf(piece: Piece, vars: Vars): string {
  if ('text' in piece) return piece.text
  return 'name' in piece ? (vars.get(piece.name) ?? UNKNOWN) : UNKNOWN
}

/** The words that one word becomes: a variable without quotes may be none, or several. */
function fields(pieces: readonly Piece[], vars: Vars): string[] {
  const found: string[] = []
  let open: string | null = null
  for (const piece of pieces) {
    const value = textOf(piece, vars)
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
