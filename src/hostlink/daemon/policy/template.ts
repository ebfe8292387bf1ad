/** Templates of whole commands: literal words, and words with one typed hole. Pure. */
import { nearest } from '../../../document/nearest.ts'
import { fillsHole, HOLE_KINDS, type Hole, isPlainPath, printHole } from './holes.ts'

export type Word =
  | { readonly literal: string }
  | { readonly before: string; readonly hole: Hole; readonly after: string }
export type CommandTemplate = readonly Word[]
export type Filled = { readonly index: number; readonly hole: Hole; readonly value: string }
export type Fault = { readonly reason: string; readonly hint?: string }

/** A hole as it is written; what stands in double braces (`{{.Names}}`) is Docker's. */
const HOLE = /(?<!\{)\{([A-Za-z]+)(?::([^{}]*))?\}(?!\})/g
const hasClimb = (text: string): boolean => /(?:^|[/=:])\.\.(?:\/|$)/.test(text)

export const hasHole = (word: Word): word is Exclude<Word, { literal: string }> => 'hole' in word
export const hasWildcard = (text: string): boolean => text.replace(HOLE, '').includes('*')

export const printWord = (word: Word): string =>
  hasHole(word) ? word.before + printHole(word.hole) + word.after : word.literal

export function parseWord(text: string): { word: Word } | { fault: Fault } {
  const [found, ...more] = text.matchAll(HOLE)
  if (found === undefined) return { word: { literal: text } }
  if (more.length > 0) return { fault: { reason: 'has two holes: one in each word' } }
  const read = parseHole(found[1]!, found[2])
  if ('fault' in read) return read
  const before = text.slice(0, found.index)
  const after = text.slice(found.index + found[0].length)
  const fault = faultAround(before, read.hole, after)
  return fault === null ? { word: { before, hole: read.hole, after } } : { fault }
}

function parseHole(kind: string, detail: string | undefined): { hole: Hole } | { fault: Fault } {
  if (kind === 'path') {
    const root = detail?.endsWith('/**') ? detail.slice(0, -3) : ''
    if (isPlainPath(root)) return { hole: { kind, root } }
    return {
      fault: { reason: 'the path of a hole is not an absolute folder', hint: '{path:/srv/openclaw/**}' },
    }
  }
  if (HOLE_KINDS.includes(kind) && detail === undefined)
    return { hole: { kind: kind as Exclude<Hole['kind'], 'path'> } }
  const guess = detail === undefined ? nearest(kind, HOLE_KINDS) : kind
  const hint = guess === undefined ? `the holes are ${HOLE_KINDS.join(', ')}` : `did you mean {${guess}}?`
  return { fault: { reason: `{${kind}} is not a hole`, hint } }
}

/**
 * A hole may be part of a word only where no value can change what the word is: an option keeps its name, an address
 * its host, a path its folder.
 */
function faultAround(before: string, hole: Hole, after: string): Fault | null {
  const fault = (reason: string, hint: string): Fault => ({ reason, hint })
  if (hole.kind === 'path') {
    if (after === '' && /^$|^-?-?[A-Za-z0-9][\w-]*=$/.test(before)) return null
    return fault(
      'the hole of a path is a whole word, or all behind an option’s =',
      `--file=${printHole(hole)}`,
    )
  }
  if (before.startsWith('-') && !/^--?[A-Za-z0-9][\w-]*=/.test(before))
    return fault('the caller would choose the option', `write two words: ${before}, "${printHole(hole)}"`)
  if (!/^([A-Za-z0-9_./-]|$)/.test(before))
    return fault(`${before.charAt(0)} in front of a hole has a meaning of its own`, 'leave it out')
  const isAddress = before.includes('://')
  if (isAddress && !/:\/\/[^/?#]+\//.test(before))
    return fault('the caller would choose the host', 'spell out scheme, host and the / behind it')
  if (!isAddress && /^\/|=\/|^~/.test(before))
    return fault('paths are followed through links', 'use {path:/srv/openclaw/**}')
  if (hasClimb(before) || hasClimb(before + after)) return fault('.. leads out of the folder', 'spell it out')
  if (!/^[A-Za-z0-9._/-]*$/.test(after) || after.startsWith('..'))
    return fault(`${after} behind a hole has a meaning of its own`, 'spell the word out')
  return null
}

/** The values of the holes; null where a word does not fit. */
export function match(template: CommandTemplate, argv: readonly string[]): Filled[] | null {
  if (argv.length !== template.length) return null
  const filled: Filled[] = []
  for (const [index, word] of template.entries()) {
    const text = argv[index]!
    if (!hasHole(word)) {
      if (text !== word.literal) return null
      continue
    }
    const { before, hole, after } = word
    const value = text.slice(before.length, text.length - after.length)
    if (text !== before + value + after || !fillsHole(hole, value)) return null
    filled.push({ index, hole, value })
  }
  return filled
}
