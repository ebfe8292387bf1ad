/** Rules as they were written with wildcards, and the templates to write instead. Pure. */
import { exampleFor, openFault } from './open-programs.ts'
import { type Fault, hasWildcard, parseWord, type Word } from './template.ts'

/** Where the first wildcard stands, and the template that its rule's own words make; null where there is none. */
export function wildcardFault(words: readonly string[]): ({ index: number } & Fault) | null {
  const index = words.findIndex(hasWildcard)
  if (index < 0) return null
  const what = words[index] === '**' ? '** (any rest)' : '*'
  const more = words.includes('**') ? '; a further form is a further rule' : ''
  return {
    index,
    reason: `${what} is not a hole: a rule spells out each word, and types what is free`,
    hint: `write argv: ${templateFor(words)}${more}`,
  }
}

/** In YAML's flow style, and always one that loads. */
export function templateFor(words: readonly string[]): string {
  const typed = words.filter(word => word !== '**').map((word, at) => typedWord(word, words[at - 1] ?? ''))
  const parsed = typed.map(parseWord)
  const template = parsed.flatMap(each => ('word' in each ? [each.word] : []))
  const isFit = template.length === typed.length && isClosed(words[0]!, template)
  return isFit ? `[${typed.map(inYaml).join(', ')}]` : exampleFor(words[0]!)
}

const isClosed = (program: string, template: readonly Word[]): boolean =>
  template.length > 0 && openFault(program, template) === null

export const typedFolder = (text: string): string => `{path:${text.replace(/\/[^/]*\*.*$/, '')}/**}`

function typedWord(word: string, before: string): string {
  if (!hasWildcard(word)) return word
  const path = /^((?:--?[\w-]+=)?)(\/[^*]*)\*/.exec(word)
  if (path !== null) return path[1] + typedFolder(word.slice(path[1]!.length))
  const hole = holeFor(word === '*' ? before : word)
  return word.slice(0, word.indexOf('*')) + hole + word.slice(word.lastIndexOf('*') + 1)
}

/** By what stands in front of it. */
function holeFor(before: string): string {
  if (/(tail|lines|count|depth|timeout|limit|max|-[nt])\b/.test(before)) return '{int}'
  return /^(origin|--detach|checkout|switch|merge|log|show|rev-parse)$/.test(before) ? '{ref}' : '{name}'
}

const inYaml = (word: string): string =>
  /^-{0,2}[A-Za-z/][\w./=-]*$/.test(word) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(word)
    ? word
    : JSON.stringify(word)
