/** That each step is one thing, that its `with` fits its kind, and that every default is of use. */

import { type Diagnostic, error } from '../document/diagnostic.ts'
import { isRecord } from '../document/is-record.ts'
import { nearest } from '../document/nearest.ts'
import { keysAt, literalHintAt } from '../document/schema-keys.ts'
import type { Path, YamlFile } from '../document/yaml-file.ts'
import { zodDiagnostics } from '../document/zod-diagnostics.ts'
import { once } from '../steps/contract/once.ts'
import type { StepKind } from '../steps/contract/step.ts'
import { firstExpression } from './expression-sites.ts'
import {
  FORMS,
  keyOf,
  type MergedWith,
  mergeWith,
  type OutlinedStep,
  type StepsContext,
  shortFormFields,
} from './load-steps.ts'
import { hasCommonKeysOnly, type RawStep } from './playbook-schema.ts'

export function checkSteps(
  raw: readonly RawStep[],
  outline: readonly OutlinedStep[],
  defaults: Record<string, unknown>,
  context: StepsContext,
): void {
  checkDefaultsAreUsable(defaults, outline, context)
  const shortForm = once(() => shortFormFields(context.kinds))
  for (const outlined of outline) {
    const step: unknown = raw[outlined.index]
    if (!isRecord(step)) continue
    checkForm(step as RawStep, outlined, shortForm, context)
    checkWhen(step as RawStep, outlined, context)
    // Of a step that is two things, it cannot be told what it should hold.
    if (outlined.kind === null || FORMS.filter(form => step[form] !== undefined).length > 1) continue
    checkWith(mergeWith(step as RawStep, outlined, outlined.kind, defaults), outlined, outlined.kind, context)
  }
}

function checkWith(probe: MergedWith, step: OutlinedStep, kind: StepKind, context: StepsContext): void {
  const { file, sites, diagnostics } = context
  const parsed = kind.schema().safeParse(probe.value)
  if (parsed.success) return
  const own: Path = step.form === 'uses' ? ['steps', step.index, 'with'] : ['steps', step.index]
  const inFile = ([field, ...rest]: Path): Path =>
    field === undefined ? own : [...(probe.base[field] ?? [...own, field]), ...rest]
  const kindPlace = file.place(['steps', step.index, step.form ?? 'uses'])
  const found = zodDiagnostics(parsed.error.issues, {
    value: probe.value,
    celType: symbol => sites.get(symbol)?.type ?? null,
    expressionPlace: symbol => firstExpression(file, sites.get(symbol)),
    place: path => (path.length === 0 ? kindPlace : file.place(inFile(path))),
    keyPlace: path => (path.length === 0 ? kindPlace : file.keyPlace(inFile(path))),
    written: path => file.written(inFile(path)),
    keysAt: path => keysAt(kind.schema(), path),
    literalHint: path => literalHintAt(kind.schema(), path),
  })
  for (const told of found) {
    const diagnostic = step.form === 'run' ? asWritten(told) : told
    const related = isFromDefaults(diagnostic, file)
      ? [{ ...kindPlace, message: `used by \`${step.id}\` here` }]
      : []
    diagnostics.push({ ...diagnostic, related: [...diagnostic.related, ...related] })
  }
}

/** Who writes `run:` has never heard of `argv`. */
function asWritten(diagnostic: Diagnostic): Diagnostic {
  const message = diagnostic.message.replace('`argv`', '`run`')
  if (message !== '`run` must be a list, not text') return { ...diagnostic, message }
  const hint = 'write it as run: [program, argument], or as script: for a line of shell'
  return { ...diagnostic, message, hint }
}

function isFromDefaults(diagnostic: Diagnostic, file: YamlFile): boolean {
  const { start, end } = file.place(['defaults'])
  const after = diagnostic.start.line > start.line || diagnostic.start.line === start.line
  return isRecord(file.value) && 'defaults' in file.value && after && diagnostic.start.line <= end.line
}

function checkWhen(step: RawStep, { index }: OutlinedStep, { file, sites, diagnostics }: StepsContext): void {
  const when: unknown = step.when
  const site = typeof when === 'symbol' ? sites.get(when) : undefined
  if (site === undefined || site.expressions.length === 0) return
  const place = file.place(['steps', index, 'when'])
  if ('$text' in site.template) {
    const message = '`when` is one expression, and this is text with an expression in it'
    diagnostics.push(
      error('expression', place, message, { hint: 'write the expression alone, without `${{ }}`' }),
    )
  } else if (site.type !== 'bool' && site.type !== 'dyn') {
    diagnostics.push(
      error('expression', place, `\`when\` must be true or false, but this gives ${site.type}`),
    )
  }
}

function checkForm(
  step: RawStep,
  { index, form, uses }: OutlinedStep,
  shortForm: () => readonly string[],
  { file, kinds, diagnostics }: StepsContext,
): void {
  const path: Path = ['steps', index]
  const report = (place: Path, message: string, more: Parameters<typeof error>[3] = {}) =>
    diagnostics.push(error('wrong-value', file.keyPlace(place), message, more))
  if (form === null) {
    report(path, 'a step needs `uses`, `run` or `script`')
    return
  }
  for (const other of FORMS) {
    if (other === form || step[other] === undefined) continue
    const related = [{ ...file.keyPlace([...path, form]), message: 'this step already is' }]
    report([...path, other], 'a step is either `uses`, `run` or `script`', { related })
  }
  if (form !== 'uses' && step.with !== undefined) {
    report([...path, 'with'], `\`with\` belongs to \`uses\`; what \`${form}\` takes stands beside it`)
  }
  if (hasCommonKeysOnly(step)) return
  for (const field of shortForm()) {
    if (keyOf(step, field) === undefined) continue
    const misplaced = misplacedField(field, form, () => fieldsOf(kinds[uses]))
    if (misplaced !== null) report([...path, field], misplaced.message, { hint: misplaced.hint })
  }
}

/** Why a field of the short forms cannot stand beside this form. */
function misplacedField(
  field: string,
  form: (typeof FORMS)[number],
  fields: () => readonly string[],
): { message: string; hint?: string } | null {
  if (form === 'uses')
    return fields().includes(field)
      ? { message: `\`${field}\` belongs under \`with:\`` }
      : { message: `\`${field}\` belongs to \`run\` and \`script\`` }
  if (form === 'run' && field === 'shell')
    return { message: '`run` never uses a shell', hint: 'use `script:` for that' }
  return null
}

function fieldsOf(kind: StepKind | undefined): string[] {
  return kind === undefined ? [] : keysAt(kind.schema(), [])
}

function checkDefaultsAreUsable(
  defaults: Record<string, unknown>,
  outline: readonly OutlinedStep[],
  { file, diagnostics }: StepsContext,
): void {
  if (outline.some(step => step.kind === null)) return
  const known = new Set(outline.flatMap(step => keysAt(step.kind!.schema(), [])))
  for (const field of Object.keys(defaults)) {
    if (known.has(field)) continue
    const message = `no step of this playbook has a field \`${field}\``
    const suggestion = nearest(field, known)
    diagnostics.push(error('unused', file.keyPlace(['defaults', field]), message, { suggestion }))
  }
}
