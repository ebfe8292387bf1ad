/**
 * In a file that is no sound YAML nobody can tell which text is the value of a secret: of the sections that may hold
 * one, the keys are shown and their values are not.
 */
import type { Diagnostic, Source } from './diagnostic.ts'

/**
 * The same mistakes without such values. `plain`: keys whose values are never secrets; none where a section holds values
 * right below its names.
 */
export function withoutValues(
  mistakes: readonly Diagnostic[],
  source: Source,
  sections: readonly string[],
  plain: readonly string[],
): Diagnostic[] {
  const shown = new Set(
    mistakes.flatMap(each => [each.start.line, ...each.related.map(({ start }) => start.line)]),
  )
  for (const { number, start, text } of linesWithin(source.text, sections)) {
    const from = shown.has(number) ? firstValue(text, sections, plain) : -1
    if (from !== -1) source.hide(start + from, start + text.length)
  }
  return source.shown(mistakes)
}

type Line = { number: number; start: number; text: string }

function linesWithin(text: string, sections: readonly string[]): Line[] {
  const names = sections.join('|')
  const begins = new RegExp(`^["']?(?:${names})["']?\\s*:`)
  const lines = linesOf(text)
  // Written in braces, or indented as a whole: its lines do not show where it begins and ends.
  if (!lines.some(line => begins.test(line.text)))
    return new RegExp(`\\b(?:${names})["']?\\s*:`).test(text) ? lines : []
  let isInside = false
  return lines.filter(line => {
    if (TOP_KEY.test(line.text)) isInside = begins.test(line.text)
    return isInside
  })
}

const TOP_KEY = /^["']?[A-Za-z][\w-]*["']?\s*:/
const KEY = /([\w.-]+)["']?\s*:[ \t]*/g

/** Where the first value of a line begins that may be secret; of a line without a key, its text. */
function firstValue(line: string, sections: readonly string[], plain: readonly string[]): number {
  const keys = [...line.matchAll(KEY)]
  if (keys.length === 0) return line.search(/[^\s{}[\],-]/)
  const secret = keys.find((match, index) => {
    const [whole, key] = match
    const rest = line.slice(match.index + whole.length)
    if (rest === '' || plain.includes(key!)) return false
    // A brace begins what has keys of its own, or a value that looks like it: known keys tell.
    const next = keys[index + 1]?.[1] ?? ''
    const isSpec = plain.length > 0 && (plain.includes(next) || VALUE_KEYS.includes(next))
    const hasKeys = rest === '{' || (rest.startsWith('{') && (isSpec || sections.includes(key!)))
    return VALUE_KEYS.includes(key!) || !hasKeys
  })
  return secret === undefined ? -1 : secret.index + secret[0].length
}

/** Of an input's specification, what holds a value however it begins. */
const VALUE_KEYS = ['default', 'oneOf']

function linesOf(text: string): Line[] {
  let next = 0
  return text.split('\n').map((line, index) => {
    const start = next
    next += line.length + 1
    return { number: index + 1, start, text: line.replace(/\r$/, '') }
  })
}
