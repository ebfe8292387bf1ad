/** From an offset into a YAML scalar's value to the offset in the file: through quotes, escapes, folds and indents. */
import type { Scalar } from 'yaml'

export function sourceOffset(node: Scalar, text: string, offset: number): number {
  const [start, end] = node.range ?? [0, 0]
  const value = String(node.value)
  const from = contentStart(text, start)
  if (value.startsWith(text.slice(from, from + Math.min(offset, value.length))))
    return Math.min(from + offset, end)
  // Walks source and value side by side; what the value does not show (indents, escapes) is stepped over.
  let at = from
  for (let index = 0; index < offset && at < end; index += 1)
    at = behind(value[index]!, { text, at, end, quote: text[start] })
  const next = value[offset]
  while (next !== undefined && at < end && /\s/.test(text[at]!) && text[at] !== next) at += 1
  return Math.min(at, end)
}

function contentStart(text: string, start: number): number {
  switch (text[start]) {
    case '"':
    case "'":
      return start + 1
    case '|':
    case '>':
      return Math.max(start, text.indexOf('\n', start) + 1)
    default:
      return start
  }
}

type Source = { text: string; at: number; end: number; quote: string | undefined }

/** Where the source goes on once it has shown this character of the value. */
function behind(wanted: string, { text, at, end, quote }: Source): number {
  if (quote === '"' && text[at] === '\\') return afterEscape(text, at)
  if (quote === "'" && wanted === "'") return at + 2
  // A folded line break shows as a space; an indent does not show at all.
  const shows = (char: string | undefined) => char === wanted || (wanted === ' ' && char === '\n')
  let found = at
  while (found < end && !shows(text[found])) found += 1
  return found + 1
}

function afterEscape(text: string, at: number): number {
  const kind = text[at + 1]
  const length = kind === 'x' ? 4 : kind === 'u' ? 6 : kind === 'U' ? 10 : 2
  return at + length
}
