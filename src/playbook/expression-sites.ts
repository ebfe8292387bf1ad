/** All templates of a file: found, put aside behind symbols so that schemas can check the rest, and type-checked. */

import { type Diagnostic, error, type Place } from '../document/diagnostic.ts'
import type { Json } from '../document/json.ts'
import type { Path, YamlFile } from '../document/yaml-file.ts'
import { checkExpression } from './expression.ts'
import type { Expression, Interpolated, Template } from './playbook.ts'
import type { ExpressionProblem, ExpressionTypes, Reference } from './reference.ts'
import { type ExpressionSite, mayHoldExpression, parseTemplate } from './template.ts'

export type Site = {
  path: Path
  template: Expression | Interpolated
  expressions: ExpressionSite[]
  /** CEL's; null where no expression may stand. `dyn` after a mistake, so that one mistake is told once. */
  type: string | null
  references: Reference[]
}

export type Templates = {
  /** The file's value with a symbol in place of each template. */
  probe: unknown
  sites: Map<symbol, Site>
}

const MAX_PER_TEXT = 100

export function findTemplates(file: YamlFile, diagnostics: Diagnostic[]): Templates {
  const sites = new Map<symbol, Site>()
  if (!mayHoldExpression(file.source.text) && !/^\s*-?\s*["']?when/m.test(file.source.text)) {
    return { probe: file.value, sites }
  }
  const visit = (value: Json, path: Path): unknown => {
    if (typeof value === 'string') return visitText(value, path)
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]))
  }
  const visitText = (text: string, path: Path): unknown => {
    const bare = path.length === 3 && path[0] === 'steps' && path[2] === 'when' && !mayHoldExpression(text)
    if (bare)
      return put({
        path,
        template: { $expr: text },
        expressions: [{ source: text, start: 0, end: text.length }],
      })
    const parsed = parseTemplate(text)
    if (!parsed.ok) {
      diagnostics.push(error('expression', file.textPlace(path, parsed.start, parsed.end), parsed.problem))
      return put({ path, template: { $text: [] }, expressions: [] })
    }
    if (typeof parsed.template === 'string') return parsed.template
    if (parsed.sites.length > MAX_PER_TEXT) {
      const message = `more than ${MAX_PER_TEXT} expressions in one text`
      diagnostics.push(error('expression', file.place(path), message))
      return put({ path, template: { $text: [] }, expressions: [] })
    }
    return put({ path, template: parsed.template, expressions: parsed.sites })
  }
  const put = (site: Pick<Site, 'path' | 'template' | 'expressions'>): symbol => {
    const symbol = Symbol('expression')
    sites.set(symbol, { ...site, type: 'dyn', references: [] })
    return symbol
  }
  return { probe: visit(file.value, []), sites }
}

/** Puts the templates back where their symbols are. */
export function toTemplate(probe: unknown, sites: ReadonlyMap<symbol, Site>): Template {
  if (typeof probe === 'symbol') return sites.get(probe)?.template ?? null
  if (Array.isArray(probe)) return probe.map(item => toTemplate(item, sites))
  if (typeof probe !== 'object' || probe === null) return probe as Template
  return Object.fromEntries(Object.entries(probe).map(([key, item]) => [key, toTemplate(item, sites)]))
}

export function firstExpression(file: YamlFile, site: Site | undefined): Place | undefined {
  const expression = site?.expressions[0]
  if (site === undefined || expression === undefined) return undefined
  return file.textPlace(site.path, expression.start, expression.end)
}

/** Says why a reference cannot stand where it stands, or null. */
export type Allows = (
  reference: Reference,
) => (ExpressionProblem & { related?: Diagnostic['related'] }) | null

export type SiteRules = {
  types: ExpressionTypes
  /** Steps whose kind is not known, so that nothing can be said about their outputs. */
  opaque: ReadonlySet<string>
  /** Null where no expression may stand. */
  allowsAt(path: Path): Allows | null
}

/** Fills in each site's type and references, and tells every mistake inside an expression. */
export function checkSites(
  file: YamlFile,
  sites: ReadonlyMap<symbol, Site>,
  rules: SiteRules,
  diagnostics: Diagnostic[],
): void {
  for (const site of sites.values()) {
    const allows = rules.allowsAt(site.path)
    if (allows === null) {
      site.type = null
      continue
    }
    const types = site.expressions.map(expression =>
      checkSite(file, site, expression, allows, rules, diagnostics),
    )
    site.type =
      '$expr' in site.template ? (types[0] ?? 'dyn') : site.expressions.length === 0 ? 'dyn' : 'string'
    if ('$text' in site.template) refuseAggregates(file, site, types, diagnostics)
  }
}

function checkSite(
  file: YamlFile,
  site: Site,
  expression: ExpressionSite,
  allows: Allows,
  rules: SiteRules,
  diagnostics: Diagnostic[],
): string {
  const checked = checkExpression(expression.source, rules.types)
  site.references.push(...checked.references)
  const problems = checked.ok
    ? []
    : checked.problems.filter(({ step }) => step === undefined || !rules.opaque.has(step))
  const misplaced = checked.references.map(allows).filter(problem => problem !== null)
  for (const problem of [...problems, ...misplaced]) {
    const at = expression.start
    const place = file.textPlace(site.path, at + problem.start, at + problem.end)
    diagnostics.push(error('expression', place, problem.message, problem))
  }
  return checked.ok ? checked.type : 'dyn'
}

function refuseAggregates(file: YamlFile, site: Site, types: string[], diagnostics: Diagnostic[]): void {
  for (const [index, type] of types.entries()) {
    if (!/^(list|map|null)/.test(type)) continue
    const { start, end } = site.expressions[index]!
    const message = `a ${type.replace(/<.*/, '')} cannot stand inside text`
    diagnostics.push(error('expression', file.textPlace(site.path, start, end), message))
  }
}
