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
  const endLiteral = () => {
    if (literal !== '') parts.push(literal)
    literal = ''
  }
  let at = 0
  for (let open = text.indexOf('${{'); open !== -1; open = text.indexOf('${{', at)) {
    if (open > at && text[open - 1] === '$') {
      literal += `${text.slice(at, open - 1)}\${{`
      at = open + 3
      continue
    }
    const site = siteAt(text, open)
    if ('problem' in site) return { ok: false, ...site }
    literal += text.slice(at, open)
    endLiteral()
    parts.push({ $expr: site.source })
    sites.push({ source: site.source, start: site.start, end: site.start + site.source.length })
    at = site.close + 2
  }
  literal += text.slice(at)
  endLiteral()
  const [only] = parts
  if (parts.length <= 1 && (only === undefined || typeof only === 'string' || sites.length === 1)) {
    return { ok: true, template: only ?? '', sites }
  }
  return { ok: true, template: { $text: parts }, sites }
}

type Misshapen = { problem: string; start: number; end: number }

/** The expression behind `${{`, and where its `}}` stands. */
function siteAt(text: string, open: number): { source: string; start: number; close: number } | Misshapen {
  const from = open + 3
  const close = endOfExpression(text, from)
  if (close === -1) return { problem: '`${{` is never closed by `}}`', start: open, end: from }
  const inner = text.slice(from, close)
  const source = inner.trim()
  if (source === '') return { problem: 'this expression is empty', start: open, end: close + 2 }
  return { source, start: from + inner.indexOf(source), close }
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

const DEEPER: Record<string, number> = { '{': 1, '}': -1 }

/** The offset of the closing `}}`, or -1. */
function endOfExpression(text: string, from: number): number {
  let depth = 0
  for (let at = from; at !== -1 && at < text.length; at = behindToken(text, at)) {
    const char = text[at]!
    // A comment on the last line ends where the expression does.
    if (text.startsWith('//', at) && !text.includes('\n', at)) return text.indexOf('}}', at)
    if (char === '}' && depth === 0) return text[at + 1] === '}' ? at : -1
    depth += DEEPER[char] ?? 0
  }
  return -1
}

/** Behind a string, a comment or a single character; -1 where a string has no end. */
function behindToken(text: string, at: number): number {
  if (text[at] === '"' || text[at] === "'") return endOfString(text, at)
  return text.startsWith('//', at) ? text.indexOf('\n', at) : at + 1
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
