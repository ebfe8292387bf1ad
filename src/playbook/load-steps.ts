/** The `steps:` of a playbook: which kind each is, its id, and its `with` with the defaults merged in. */

import { type Diagnostic, error } from '../document/diagnostic.ts'
import { recordOf } from '../document/is-record.ts'
import { nearest } from '../document/nearest.ts'
import { keysAt } from '../document/schema-keys.ts'
import type { Path, YamlFile } from '../document/yaml-file.ts'
import { parseDuration } from '../duration.ts'
import type { StepKind } from '../steps/contract/step.ts'
import { type Site, toTemplate } from './expression-sites.ts'
import type { PlaybookStep, Retry, Template } from './playbook.ts'
import type { RawStep } from './playbook-schema.ts'
import type { ExpressionTypes } from './reference.ts'

export type Kinds = Readonly<Record<string, StepKind>>

/** What is certain about a step before its details are checked. */
export type OutlinedStep = {
  index: number
  form: 'uses' | 'run' | 'script' | null
  uses: string
  kind: StepKind | null
  id: string
  /** It may not run, or fail without ending the run: its outputs may be null. */
  nullable: boolean
}

export type StepsContext = {
  file: YamlFile
  sites: ReadonlyMap<symbol, Site>
  kinds: Kinds
  diagnostics: Diagnostic[]
}

/** These mean something on the step itself, whatever its kind. */
const COMMON_KEYS = new Set(['id', 'name', 'when', 'timeout', 'retry', 'env', 'cwd'])

export const FORMS = ['uses', 'run', 'script'] as const

/** From the unchecked file. Tells unknown kinds and doubled ids. */
export function outlineSteps(raw: unknown, { file, kinds, diagnostics }: StepsContext): OutlinedStep[] {
  const steps = (Array.isArray(raw) ? raw : []).map((step, index) => ({ step: recordOf(step), index }))
  const given = new Map<string, number>()
  for (const { step, index } of steps) {
    if (typeof step['id'] !== 'string') continue
    const first = given.get(step['id'])
    if (first === undefined) {
      given.set(step['id'], index)
      continue
    }
    const related = [{ ...file.place(['steps', first, 'id']), message: 'first here' }]
    const message = `two steps have the id \`${step['id']}\``
    diagnostics.push(error('duplicate-id', file.place(['steps', index, 'id']), message, { related }))
  }
  const taken = new Set(given.keys())
  const next = new Map<string, number>()
  return steps.map(({ step, index }) => {
    const form = FORMS.find(each => step[each] !== undefined) ?? null
    const uses = kindNameOf(step, form)
    const kind = Object.hasOwn(kinds, uses ?? '') ? kinds[uses!]! : null
    if (form !== null && uses !== null && kind === null) {
      unknownKind(uses, ['steps', index, form], { file, kinds, diagnostics })
    }
    const base = form === 'run' ? 'run' : uses || 'step'
    const id = typeof step['id'] === 'string' ? step['id'] : makeId(base, taken, next)
    taken.add(id)
    const nullable = step['when'] !== undefined || step['continueOnError'] === true
    return { index, form, uses: uses ?? '', kind, id, nullable }
  })
}

function kindNameOf(step: Record<string, unknown>, form: OutlinedStep['form']): string | null {
  if (form !== 'uses') return form === 'run' ? 'command' : form
  return typeof step['uses'] === 'string' ? step['uses'] : null
}

export function stepTypes(outline: readonly OutlinedStep[]): ExpressionTypes['steps'] {
  return Object.fromEntries(
    outline.map(({ id, kind, nullable }) => [id, { outputs: { ...kind?.outputs }, nullable }]),
  )
}

/** Only for a playbook without mistakes. */
export function assembleSteps(
  raw: readonly RawStep[],
  outline: readonly OutlinedStep[],
  defaults: Record<string, unknown>,
  sites: ReadonlyMap<symbol, Site>,
): PlaybookStep[] {
  return outline.map(outlined => {
    const step = raw[outlined.index]!
    const kind = outlined.kind!
    return {
      id: outlined.id,
      name: step.name,
      kind,
      with: toTemplate(mergeWith(step, outlined, kind, defaults).value, sites) as { [key: string]: Template },
      when: whenOf(step.when, sites),
      timeoutMs: step.timeout === undefined ? undefined : parseDuration(step.timeout)!,
      retry: step.retry === undefined ? undefined : retryOf(step.retry),
      continueOnError: step.continueOnError ?? false,
      env: toTemplate(step.env ?? {}, sites) as { [name: string]: Template },
      cwd: step.cwd === undefined ? undefined : toTemplate(step.cwd, sites),
    }
  })
}

/** A field's value, and where it stands in the file: in the step, or in `defaults`. */
export type MergedWith = { value: Record<string, unknown>; base: Record<string, Path> }

export function mergeWith(
  step: RawStep,
  { index, form }: OutlinedStep,
  kind: StepKind,
  defaults: Record<string, unknown>,
): MergedWith {
  const probe: MergedWith = { value: {}, base: {} }
  const put = (field: string, value: unknown, path: Path) => {
    if (value === undefined) return
    probe.value[field] = value
    probe.base[field] = path
  }
  for (const [field, value, path] of ownFields(step, index, form)) put(field, value, path)
  const open = keysAt(kind.schema(), []).filter(field => !Object.hasOwn(probe.value, field))
  for (const field of open) {
    // A field beside `with` is told as such, so it need not be told as missing too.
    const beside = COMMON_KEYS.has(field) ? undefined : keyOf(step, field)
    if (beside !== undefined) put(field, beside, ['steps', index, field])
    else if (Object.hasOwn(defaults, field)) put(field, defaults[field], ['defaults', field])
  }
  return probe
}

function ownFields(step: RawStep, index: number, form: OutlinedStep['form']): [string, unknown, Path][] {
  if (form === null) return []
  if (form !== 'uses') return [[form === 'run' ? 'argv' : 'script', step[form], ['steps', index, form]]]
  const given = Object.entries(recordOf(step.with))
  return given.map(([field, value]) => [field, value, ['steps', index, 'with', field]])
}

/** What the short forms of `command` and `script` take beside `run` and `script`. */
export function shortFormFields(kinds: Kinds): string[] {
  const fields = [kinds['command'], kinds['script']].flatMap(kind =>
    kind === undefined ? [] : keysAt(kind.schema(), []),
  )
  return [...new Set(fields)].filter(field => field !== 'argv' && field !== 'script')
}

/** A key that the raw type does not list, because a kind's schema does. */
export function keyOf(step: RawStep, key: string): unknown {
  return Object.hasOwn(step, key) ? (step as Record<string, unknown>)[key] : undefined
}

function whenOf(when: unknown, sites: ReadonlyMap<symbol, Site>): PlaybookStep['when'] {
  if (typeof when === 'boolean') return { $expr: String(when) }
  const template = typeof when === 'symbol' ? sites.get(when)?.template : undefined
  return template !== undefined && '$expr' in template ? template : undefined
}

function retryOf(retry: NonNullable<RawStep['retry']>): Retry {
  const ms = (text: string | undefined, otherwise: number) =>
    text === undefined ? otherwise : (parseDuration(text) ?? otherwise)
  return {
    attempts: retry.attempts,
    delayMs: ms(retry.delay, 1_000),
    backoff: retry.backoff ?? 2,
    maxDelayMs: ms(retry.maxDelay, 30_000),
  }
}

function unknownKind(
  name: string,
  path: Path,
  { file, kinds, diagnostics }: Omit<StepsContext, 'sites'>,
): void {
  const names = Object.keys(kinds)
  const suggestion = nearest(name, names) ?? names.find(each => each.endsWith(`.${name}`))
  const hint = `there are ${names.join(', ')}`
  diagnostics.push(
    error('unknown-kind', file.place(path), `there is no step kind \`${name}\``, { suggestion, hint }),
  )
}

/** `next` remembers how far each base has come, so that a thousand equal steps are numbered in one pass. */
function makeId(base: string, taken: ReadonlySet<string>, next: Map<string, number>): string {
  let number = next.get(base) ?? 1
  const id = () => (number === 1 ? base : `${base}-${number}`)
  while (taken.has(id())) number += 1
  next.set(base, number + 1)
  return id()
}
