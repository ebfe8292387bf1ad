/** From an offset into a YAML scalar's value to the offset in the file: through quotes, escapes, folds and indents. */
import type { Scalar } from 'yaml'

export function sourceOffset(node: Scalar, text: string, offset: number): number {
  const [start, end] = node.range ?? [0, 0]
  const value = String(node.value)
  const quote = text[start]
  const quoted = quote === '"' || quote === "'"
  let at = quoted ? start + 1 : start
  if (quote === '|' || quote === '>') at = Math.max(start, text.indexOf('\n', start) + 1)
  if (value.startsWith(text.slice(at, at + Math.min(offset, value.length)))) return Math.min(at + offset, end)
  // Walks source and value side by side; what the value does not show (indents, escapes) is stepped over.
  for (let index = 0; index < offset && at < end; index += 1) {
    const wanted = value[index]!
    if (quote === '"' && text[at] === '\\') {
      at = afterEscape(text, at)
    } else if (quote === "'" && wanted === "'") {
      at += 2
    } else {
      // A folded line break shows as a space; an indent does not show at all.
      while (at < end && text[at] !== wanted && !(wanted === ' ' && text[at] === '\n')) at += 1
      at += 1
    }
  }
  while (at < end && value[offset] !== undefined && /\s/.test(text[at]!) && text[at] !== value[offset])
    at += 1
  return Math.min(at, end)
}

function afterEscape(text: string, at: number): number {
  const kind = text[at + 1]
  const length = kind === 'x' ? 4 : kind === 'u' ? 6 : kind === 'U' ? 10 : 2
  return at + length
}
