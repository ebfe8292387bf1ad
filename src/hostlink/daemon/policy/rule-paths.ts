/** Places on the host that a rule itself names, and whether they are for the host's owner alone to change. Pure but for `judge`. */
import { posix } from 'node:path'
import { isEngine } from './open-programs.ts'
import type { Rule } from './rule.ts'
import { type Fault, hasHole, type Word } from './template.ts'
import type { Judged } from './trust.ts'

/** Why somebody else may change what the rule names, for a command that runs in `place`; null where nobody may. */
export function unsafePlace(rule: Rule, place: string, judge: (path: string) => Judged): Fault | null {
  const texts = wordsOf(rule).flatMap(textsOf)
  for (const path of texts.flatMap(text => pathOf(text, place) ?? [])) {
    const { unsafe } = judge(path)
    if (unsafe !== null) return unsafe
  }
  // A folder of that name (`logs`) is seldom what the word means.
  for (const name of texts.filter(text => NAME.test(text))) {
    const { unsafe, found } = judge(posix.join(place, name))
    if (unsafe !== null && found?.isFolder === false) return unsafe
  }
  return null
}

/** Words behind `exec` of an engine name things inside the container. */
function wordsOf({ template, workdir }: Rule): Word[] {
  const inside = isEngine(template)
    ? template.findIndex(word => !hasHole(word) && /^(exec|run)$/.test(word.literal))
    : -1
  const words = template.slice(1).filter((word, at) => {
    const isOptions = !hasHole(word) && word.literal.startsWith('-')
    const before = template[at]!
    const isBehindOption = !hasHole(before) && before.literal.startsWith('-')
    return inside < 0 || at + 1 < inside || isOptions || isBehindOption
  })
  return workdir === undefined ? words : [...words, workdir]
}

const NAME = /^[A-Za-z0-9_.+][^:=/]*$/

/** Splits off a possible path: `-f/srv/x`, `--file=x`, `--secret=id=a,src=x`, `@x`, `file:///srv/x`. */
function textsOf(word: Word): string[] {
  if (hasHole(word)) return word.hole.kind === 'path' ? [word.hole.root] : []
  const { literal } = word
  const behind = literal.includes('=')
    ? [
        literal.slice(literal.indexOf('=') + 1),
        ...literal.split(',').map(part => part.slice(part.lastIndexOf('=') + 1)),
      ]
    : []
  const texts = [literal, ...behind].map(text =>
    text.replace(/^-[A-Za-z](?!$)/, '').replace(/^@|^file:\/\/(?=\/)/, ''),
  )
  return [...new Set(texts)]
}

function pathOf(text: string, place: string): string | null {
  if (text.startsWith('/')) return text.replace(/:.*/s, '')
  return /^[A-Za-z0-9_.][^:=]*\//.test(text) ? posix.join(place, text) : null
}
