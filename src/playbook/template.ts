/**
 * Text with `${{ ... }}` in it, taken apart. `$${{` stands for a literal `${{`. The end of an expression is found
 * by reading CEL's strings, comments and braces, so that `${{ {"a": {"b": 1}} }}` ends where one expects.
 */
import type { Expression, Interpolated, Template } from './playbook.ts'

/** Offsets are into the text that was parsed. */
export type ExpressionSite = { source: string; start: number; end: number }

type ParsedText =
  | { ok: true; template: string | Expression | Interpolated; sites: ExpressionSite[] }
  | { ok: false; problem: string; start: number; end: number }

export function parseTemplate(text: string): ParsedText {
  if (!mayHoldExpression(text)) return { ok: true, template: text, sites: [] }
  const parts: (string | Expression)[] = []
  const sites: ExpressionSite[] = []
  let literal = ''
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('${{', at)
    if (open === -1) break
    if (open > at && text[open - 1] === '$') {
      literal += `${text.slice(at, open - 1)}\${{`
      at = open + 3
      continue
    }
    const end = endOfExpression(text, open + 3)
    if (end === -1) {
      return { ok: false, problem: '`${{` is never closed by `}}`', start: open, end: open + 3 }
    }
    const inner = text.slice(open + 3, end)
    const source = inner.trim()
    if (source === '') return { ok: false, problem: 'this expression is empty', start: open, end: end + 2 }
    literal += text.slice(at, open)
    if (literal !== '') parts.push(literal)
    literal = ''
    parts.push({ $expr: source })
    const start = open + 3 + inner.indexOf(source)
    sites.push({ source, start, end: start + source.length })
    at = end + 2
  }
  literal += text.slice(at)
  if (literal !== '') parts.push(literal)
  const [only] = parts
  if (parts.length <= 1 && (only === undefined || typeof only === 'string' || sites.length === 1)) {
    return { ok: true, template: only ?? '', sites }
  }
  return { ok: true, template: { $text: parts }, sites }
}

export function mayHoldExpression(text: string): boolean {
  return text.includes('${{')
}

export function isExpression(node: Template): node is Expression {
  return typeof node === 'object' && node !== null && '$expr' in node && typeof node.$expr === 'string'
}

export function isInterpolated(node: Template): node is Interpolated {
  return typeof node === 'object' && node !== null && '$text' in node && Array.isArray(node.$text)
}

/** Whether anything in it still has to be evaluated. */
export function hasExpressions(node: Template): boolean {
  if (typeof node !== 'object' || node === null) return false
  if (Array.isArray(node)) return node.some(hasExpressions)
  return isExpression(node) || isInterpolated(node) || Object.values(node).some(hasExpressions)
}

/** All expressions of a template, in order. */
export function expressionsOf(node: Template): string[] {
  if (typeof node !== 'object' || node === null) return []
  if (Array.isArray(node)) return node.flatMap(expressionsOf)
  if (isExpression(node)) return [node.$expr]
  if (isInterpolated(node)) return node.$text.flatMap(part => (typeof part === 'string' ? [] : [part.$expr]))
  return Object.values(node).flatMap(expressionsOf)
}

/** The offset of the closing `}}`, or -1. */
function endOfExpression(text: string, from: number): number {
  let depth = 0
  let at = from
  while (at < text.length) {
    const char = text[at]!
    if (char === '"' || char === "'") {
      at = endOfString(text, at)
      if (at === -1) return -1
    } else if (char === '/' && text[at + 1] === '/') {
      const newline = text.indexOf('\n', at)
      if (newline === -1) return text.indexOf('}}', at)
      at = newline
    } else if (char === '{') {
      depth += 1
      at += 1
    } else if (char === '}') {
      if (depth === 0) return text[at + 1] === '}' ? at : -1
      depth -= 1
      at += 1
    } else {
      at += 1
    }
  }
  return -1
}

function endOfString(text: string, start: number): number {
  const quote = text[start]!
  const raw = /[rR]/.test(text[start - 1] ?? '')
  const close = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote
  let at = start + close.length
  while (at < text.length) {
    if (!raw && text[at] === '\\') at += 2
    else if (text.startsWith(close, at)) return at + close.length
    else at += 1
  }
  return -1
}
