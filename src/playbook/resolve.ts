/** Partial evaluation: what is known becomes plain JSON, the rest stays `$expr` and `$text` nodes. */

import type { Json } from '../document/json.ts'
import { Failed } from '../failure.ts'
import { evaluateExpression, isKnown, type Scope } from './expression.ts'
import type { Expression, Interpolated, Template } from './playbook.ts'
import { expressionsOf, hasExpressions, isExpression, isInterpolated } from './template.ts'

/**
 * `where` names the place in messages: `step "git.fetch", with.ref`. Results are never read as templates again:
 * the text `${{ ... }}` in an input's value stays that text. Throws `Failed` (`expression-failed`).
 */
export function resolveTemplate(template: Template, known: Scope, where: string): Template {
  if (typeof template !== 'object' || template === null) return template
  if (Array.isArray(template)) {
    return template.map((item, index) => resolveTemplate(item, known, `${where}[${index}]`))
  }
  if (isExpression(template)) {
    return isKnown(template.$expr, known) ? evaluateExpression(template.$expr, known, where) : template
  }
  if (isInterpolated(template)) return resolveText(template, known, where)
  return Object.fromEntries(
    Object.entries(template).map(([key, value]) => [key, resolveTemplate(value, known, `${where}.${key}`)]),
  )
}

/** Full evaluation: everything that the template needs must be known. Throws `Failed` (`expression-failed`). */
export function evaluate(template: Template, known: Scope, where: string): Json {
  const value = resolveTemplate(template, known, where)
  if (!hasExpressions(value)) return value as Json
  throw new Failed({
    code: 'expression-failed',
    where,
    expression: expressionsOf(value)[0] ?? '',
    problem: 'it depends on something that is not known here',
  })
}

function resolveText({ $text }: Interpolated, known: Scope, where: string): string | Interpolated {
  const parts: (string | Expression)[] = []
  for (const part of $text) {
    const done = typeof part === 'string' || !isKnown(part.$expr, known) ? part : textOf(part, known, where)
    const last = parts.length - 1
    if (typeof done === 'string' && typeof parts[last] === 'string') parts[last] += done
    else parts.push(done)
  }
  if (parts.every(part => typeof part === 'string')) return parts.join('')
  return { $text: parts }
}

function textOf({ $expr }: Expression, known: Scope, where: string): string {
  const value = evaluateExpression($expr, known, where)
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const what = value === null ? 'it has no value' : 'a list or map'
  throw new Failed({
    code: 'expression-failed',
    where,
    expression: $expr,
    problem: `${what}, and that cannot stand inside text`,
  })
}
