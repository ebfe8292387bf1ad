/** A mistake in a file, as data: where it is, what it is, what to do. `render.ts` shows it. */

/** Both count from 1; columns count characters, not bytes. */
type Position = { line: number; column: number }

export type Place = {
  file: string
  start: Position
  end: Position
  /** The source line that `start` is on. */
  text: string
}

export type Diagnostic = Place & {
  severity: 'error' | 'warning'
  /** Stable, for tools. */
  code: DiagnosticCode
  message: string
  hint?: string
  /** The id of the step that a warning is about. */
  step?: string
  related: (Place & { message: string })[]
}

type DiagnosticCode =
  | 'unreadable'
  | 'too-large'
  | 'not-text'
  | 'yaml-syntax'
  | 'yaml-unsupported'
  | 'yaml-comma'
  | 'empty'
  | 'duplicate-key'
  | 'version'
  | 'unknown-key'
  | 'missing-key'
  | 'wrong-value'
  | 'unknown-kind'
  | 'duplicate-id'
  | 'expression'
  | 'unused'
  | 'no-way-back'

/** Offsets to positions, for one text. */
export type Source = {
  file: string
  text: string
  place(start: number, end: number): Place
  /** What stands there is a secret: no place shows it from now on. */
  hide(start: number, end: number): void
  /** The same places, without what was hidden after they were made. */
  shown(diagnostics: readonly Diagnostic[]): Diagnostic[]
}

export function createSource(file: string, text: string): Source {
  let lineStarts: number[] | undefined
  const hidden: [start: number, end: number][] = []
  const position = (offset: number): Position => {
    lineStarts ??= findLineStarts(text)
    const line = lineOf(lineStarts, offset)
    return { line: line + 1, column: charactersBetween(text, lineStarts[line]!, offset) + 1 }
  }
  const line = (number: number): string => {
    lineStarts ??= findLineStarts(text)
    const first = lineStarts[number - 1]!
    const newline = text.indexOf('\n', first)
    return masked(text.slice(first, newline === -1 ? undefined : newline).replace(/\r$/, ''), first, hidden)
  }
  const again = <P extends Place>(place: P): P => ({ ...place, text: line(place.start.line) })
  return {
    file,
    text,
    place(start, end) {
      const from = position(Math.min(start, text.length))
      const until = position(Math.min(Math.max(end, start), text.length))
      return { file, start: from, end: until, text: line(from.line) }
    },
    hide: (start, end) => void hidden.push([start, end]),
    shown: diagnostics => diagnostics.map(each => ({ ...again(each), related: each.related.map(again) })),
  }
}

/** Of the same length, so that a caret below it points at the same character. */
function masked(line: string, from: number, hidden: readonly [start: number, end: number][]): string {
  return hidden.reduce((shown, [start, end]) => {
    const [first, last] = [start - from, end - from].map(at => Math.min(Math.max(at, 0), line.length))
    return shown.slice(0, first) + '*'.repeat(last! - first!) + shown.slice(last)
  }, line)
}

export function error(
  code: DiagnosticCode,
  place: Place,
  message: string,
  more: { hint?: string | undefined; suggestion?: string | undefined; related?: Diagnostic['related'] } = {},
): Diagnostic {
  const hint = more.suggestion === undefined ? more.hint : `did you mean \`${more.suggestion}\`?`
  return {
    ...place,
    severity: 'error',
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    related: more.related ?? [],
  }
}

export function warning(code: DiagnosticCode, place: Place, message: string, hint?: string): Diagnostic {
  return { ...error(code, place, message, { hint }), severity: 'warning' }
}

/** In reading order, each mistake once. */
export function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const seen = new Set<string>()
  const once = diagnostics.filter(({ start, code, message }) => {
    const key = `${start.line}:${start.column}:${code}:${message}`
    return !seen.has(key) && seen.add(key)
  })
  once.sort((a, b) => a.start.line - b.start.line || a.start.column - b.start.column)
  const [last, ...more] = once.slice(MAX_SHOWN)
  if (last === undefined) return once
  return [
    ...once.slice(0, MAX_SHOWN),
    { ...last, message: `and ${more.length + 1} more mistakes from here on`, related: [] },
  ]
}

/** Nobody reads more, and a hostile file must not make a flood of a report. */
const MAX_SHOWN = 500

/** Halves of a surrogate pair are one character. */
function charactersBetween(text: string, start: number, end: number): number {
  let count = end - start
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at)
    if (code >= 0xdc00 && code <= 0xdfff) count -= 1
  }
  return count
}

function findLineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function lineOf(starts: readonly number[], offset: number): number {
  let low = 0
  let high = starts.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= offset) low = middle
    else high = middle - 1
  }
  return low
}
