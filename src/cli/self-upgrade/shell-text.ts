/**
 * The commands that stand in shell text, each with the folder and the variables that are certain there. Ways that may
 * not be taken count as taken: whether they are is known only when it runs. Pure.
 */
import { isAssigning, type Simple, simpleCommand } from './shell-command.ts'
import {
  either,
  type Scope,
  UNKNOWN,
  unsure,
  untouched,
  without,
  withVar,
  withVolatile,
} from './shell-scope.ts'
import { type Piece, type Token, tokensOf } from './shell-tokens.ts'

export type ShellText = {
  commands: Simple[]
  /** False where the text could not be made sense of to its end. */
  whole: boolean
}

/** `a && b || c`: what is certain behind it is what its first command did. */
type Chain = { certain: Scope; by: string } | null
/** Nothing that is done between pipes lasts. */
type Pipeline = { before: Scope; isPiped: boolean }
type Block = {
  word: string
  number: number
  isFunction: boolean
  before: Scope
  ends: Scope[]
  chain: Chain
  pipeline: Pipeline
}
const LOOPS = new Set(['for', 'select', 'while', 'until'])

const OPENS = new Set(['if', 'while', 'until', '{'])
const CLOSES = new Set(['fi', 'done', 'esac', '}'])
const BETWEEN = new Set(['then', 'do', 'else', 'elif', '!'])
const DEEPEST = 8

export function readShell(text: string, scope: Scope, depth = 0): ShellText {
  if (depth > DEEPEST) return { commands: [], whole: false }
  const { tokens, whole } = tokensOf(text)
  const read = (from: Scope, loops: Touched['loops']) => {
    const reader = makeReader(from, depth, loops)
    for (const token of tokens) reader.take(token)
    reader.end()
    return reader
  }
  const first = read(scope, [])
  // What a loop sets its next round begins with, and what a function sets is set wherever it is called.
  const { loops, functions } = first.touched
  const isSure = functions.size === 0 && loops.every(names => names === undefined || names.size === 0)
  const { commands, whole: ended } = isSure ? first : read(withVolatile(scope, functions), loops)
  return { commands, whole: whole && ended() }
}

/** Names that are set in blocks; of loops by the number of the block. */
type Touched = { loops: (ReadonlySet<string> | undefined)[]; functions: Set<string> }

function makeReader(start: Scope, depth: number, loops: Touched['loops']) {
  const commands: Simple[] = []
  const blocks: Block[] = []
  let scope = start
  let words: Piece[][] = []
  let chain: Chain = null
  let pipeline: Pipeline = { before: start, isPiped: false }
  let goesOn = false
  let opened = 0
  const touched: Touched = { loops: [], functions: new Set() }
  let whole = true
  /** The block that opens next is a function's, which runs later and elsewhere. */
  let isFunction = false
  /** Within the brackets of `NAME=(...)`. */
  let isArray = false

  const beginAt = (place: Scope) => {
    scope = place
    pipeline = { before: place, isPiped: false }
  }
  const open = (word: string) => {
    const number = opened++
    blocks.push({ word, number, isFunction, before: scope, ends: [], chain, pipeline })
    chain = null
    const inside = without(isFunction ? unsure(scope) : scope, loops[number] ?? [])
    beginAt(untouched(inside))
    isFunction = false
  }
  const close = () => {
    const block = blocks.pop()
    if (!block) return
    const ends = [...block.ends, scope]
    const names = new Set(ends.flatMap(end => [...end.touched]))
    if (LOOPS.has(block.word)) touched.loops[block.number] = names
    if (block.isFunction) for (const name of names) touched.functions.add(name)
    if (block.word === '(' || block.isFunction) scope = block.before
    else {
      if (block.word !== '{') scope = ends.reduce(either, block.before)
      scope = { ...scope, touched: new Set([...block.before.touched, ...names]) }
    }
    chain = block.chain
    pipeline = block.pipeline
  }
  const otherwise = () => {
    const block = blocks.at(-1)
    if (!block) return
    block.ends.push(scope)
    beginAt(block.before)
  }
  const endPipeline = () => {
    if (pipeline.isPiped) scope = pipeline.before
  }
  const goOnBy = (by: string) => {
    // `a || b && c`: whether b ran is not known to c.
    if (chain && chain.by !== by) scope = either(chain.certain, scope)
    chain = chain?.by === by ? chain : { certain: scope, by }
  }
  const endChain = () => {
    endPipeline()
    if (chain) scope = either(chain.certain, scope)
    chain = null
  }
  const flush = () => {
    const given = words
    words = []
    if (given.length === 0) return
    const read = simpleCommand(given, scope, (text, place) => readShell(text, place, depth + 1))
    commands.push(...read.commands)
    whole &&= read.whole
    scope = read.scope
  }

  /** True where the word is one of the shell's own, in front of a command. */
  const isKeyword = (word: string): boolean => {
    if (OPENS.has(word)) open(word)
    else if (CLOSES.has(word)) {
      endChain()
      close()
    } else if (BETWEEN.has(word)) {
      if (word === 'else' || word === 'elif') otherwise()
    } else return false
    return true
  }

  const takeWord = (pieces: Piece[]) => {
    if (isArray) return
    const word = pieces.every(piece => 'text' in piece && !piece.quoted)
      ? pieces.map(piece => ('text' in piece ? piece.text : '')).join('')
      : null
    if (words.length === 0 && word !== null && isKeyword(word)) return
    if (words.length === 0 && (word === 'for' || word === 'select' || word === 'case')) open(word)
    words.push(pieces)
    const first = firstWord(words)
    // `case WORD in`: patterns follow, each up to its bracket.
    if (first === 'case' && word === 'in' && words.length === 3) words = []
    if (first === 'function' && words.length === 2) {
      isFunction = true
      words = []
    }
  }

  const takeOperator = (op: string) => {
    if (isArray) {
      isArray = op !== ')'
      return
    }
    if (op === '(') {
      isArray = words.at(-1)?.some(isAssigning) === true
      if (isArray) return void words.at(-1)!.push({ unknown: true, quoted: true })
      if (words.length === 0) open('(')
      isFunction = words.length === 1
      if (isFunction) words = []
      return
    }
    if (op === ')') {
      if (isFunction && words.length === 0) return
      const isPattern = blocks.at(-1)?.word === 'case'
      if (isPattern) {
        beginAt(blocks.at(-1)!.before)
        words = []
        return
      }
      flush()
      endChain()
      if (blocks.at(-1)?.word === '(') close()
      return
    }
    const first = firstWord(words)
    if (first === 'for' || first === 'select') {
      const name = wordText(words[1])
      if (name !== null) beginAt(withVar(scope, name, UNKNOWN))
      words = []
      return
    }
    if (op === '\n' && goesOn) return
    flush()
    if (op === '|' || op === '|&') {
      pipeline.isPiped = true
      scope = pipeline.before
    } else {
      endPipeline()
      if (op === '&&' || op === '||') goOnBy(op)
      else endChain()
      beginAt(scope)
    }
    if (op.startsWith(';;') || op === ';&') otherwise()
  }

  return {
    commands,
    touched,
    take: (token: Token) => {
      if ('op' in token) takeOperator(token.op)
      else takeWord(token.pieces)
      goesOn = 'op' in token && (/^(&&|\|\|?|\|&)$/.test(token.op) || (goesOn && token.op === '\n'))
    },
    end: () => takeOperator('\n'),
    whole: () => whole && blocks.length === 0,
  }
}

const wordText = (pieces: readonly Piece[] | undefined): string | null =>
  pieces?.length === 1 && 'text' in pieces[0]! && !pieces[0].quoted ? pieces[0].text : null
const firstWord = (words: readonly Piece[][]): string | null => wordText(words[0])
