/** Diagnostics for people (text), for pull requests (github) and for tools (json). Pure: text in, text out. */
import type { Diagnostic, Place } from './diagnostic.ts'

export type DiagnosticFormat = 'text' | 'json' | 'github'

export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  format: DiagnosticFormat,
  color = false,
): string {
  if (format === 'json') return `${JSON.stringify({ diagnostics })}\n`
  if (format === 'github') return diagnostics.map(githubAnnotation).join('')
  return diagnostics.map(diagnostic => renderText(diagnostic, color)).join('\n')
}

/** `file:line:col: error: message`, the source line with its characters underlined, related places, a hint. */
function renderText(diagnostic: Diagnostic, color: boolean): string {
  const paint = (code: string, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
  const { severity, message, hint, related } = diagnostic
  const tint = severity === 'error' ? '31' : '33'
  const gutter = Math.max(...[diagnostic, ...related].map(place => String(place.start.line).length))
  const lines = [
    `${paint('1', `${location(diagnostic)}:`)} ${paint(`1;${tint}`, `${severity}:`)} ${visible(message)}`,
    ...excerpt(diagnostic, gutter, '^', text => paint(`1;${tint}`, text)),
  ]
  for (const place of related) {
    lines.push(`${' '.repeat(gutter)} ${paint('1', location(place))}: ${visible(place.message)}`)
    lines.push(...excerpt(place, gutter, '-', text => paint('36', text)))
  }
  if (hint !== undefined) lines.push(`${paint('1', 'hint:')} ${visible(hint)}`)
  return `${lines.join('\n')}\n`
}

const WIDTH = 120

function excerpt(place: Place, gutter: number, mark: string, paint: (text: string) => string): string[] {
  const characters = [...place.text]
  if (characters.length === 0) return []
  // Of a very long line, only the part around the mistake.
  const first = place.start.column - 1 > WIDTH - 40 ? place.start.column - 41 : 0
  const from = place.start.column - 1 - first
  const shown = characters.slice(first, first + WIDTH)
  const until =
    place.end.line === place.start.line ? place.end.column - 1 - first : trimmedLength(characters) - first
  const length = Math.max(1, Math.min(until, shown.length) - from)
  // Wide characters are underlined by two marks, tabs stay tabs, so that the marks stand under their characters.
  const pad = shown
    .slice(0, from)
    .map(char => (char === '\t' ? '\t' : isWide(char) ? '  ' : ' '))
    .join('')
  const marks = shown
    .slice(from, from + length)
    .map(char => (isWide(char) ? mark.repeat(2) : mark))
    .join('')
  const number = String(place.start.line).padStart(gutter)
  return [
    `${number} | ${shown.map(visible).join('')}`,
    `${' '.repeat(gutter)} | ${pad}${paint(marks === '' ? mark : marks)}`,
  ]
}

function location(place: Place): string {
  return `${visible(place.file)}:${place.start.line}:${place.start.column}`
}

function trimmedLength(characters: readonly string[]): number {
  return [...characters.join('').trimEnd()].length
}

/** A hostile file must not drive the terminal: control bytes and direction changes are shown as one character. */
function visible(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, char => String.fromCharCode(0x2400 + char.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, '\ufffd')
    .replace(/\n/g, ' ')
}

function isWide(char: string): boolean {
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u.test(
    char,
  )
}

/** Workflow command syntax: https://docs.github.com/actions/reference/workflow-commands-for-github-actions */
function githubAnnotation(diagnostic: Diagnostic): string {
  const { severity, file, start, end, message, hint, related } = diagnostic
  const places = related.map(place => `${location(place)}: ${place.message}`)
  const body = [message, ...places, ...(hint === undefined ? [] : [`hint: ${hint}`])].join('\n')
  const properties = [
    `file=${property(file)}`,
    `line=${start.line}`,
    `col=${start.column}`,
    `endLine=${end.line}`,
    // Only meaningful on one line; GitHub refuses the rest.
    ...(end.line === start.line ? [`endColumn=${end.column}`] : []),
    'title=hostops',
  ]
  return `::${severity} ${properties.join(',')}::${data(body)}\n`
}

function data(text: string): string {
  return text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A')
}

function property(text: string): string {
  return data(text).replace(/:/g, '%3A').replace(/,/g, '%2C')
}
