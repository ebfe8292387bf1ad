/** The `inputs:` of a playbook: specifications, with everything about them checked that can be before a value is given. */

import { type Diagnostic, error, warning } from '../document/diagnostic.ts'
import { isRecord, recordOf } from '../document/is-record.ts'
import type { Json } from '../document/json.ts'
import { nearest } from '../document/nearest.ts'
import type { YamlFile } from '../document/yaml-file.ts'
import { type Site, toTemplate } from './expression-sites.ts'
import { checkInput, patternSyntaxProblem } from './input-value.ts'
import type { InputSpec } from './playbook.ts'
import { INPUT_TYPES, type RawPlaybook } from './playbook-schema.ts'
import { type ExpressionTypes, INPUT_CEL_TYPES } from './reference.ts'

/** Names that CEL keeps for itself: `inputs.in` does not parse. */
const RESERVED = new Set(['in', 'true', 'false', 'null'])

/** From the unchecked file, so that expressions can be checked although something else is wrong. */
export function inputTypes(raw: unknown): ExpressionTypes['inputs'] {
  if (!isRecord(raw)) return {}
  const types = Object.entries(raw).map(([name, spec]) => {
    const { type, optional, default: value } = recordOf(spec)
    const known = INPUT_TYPES.find(each => each === type)
    const nullable = known === undefined || (optional === true && value === undefined)
    return [name, { type: known ?? 'string', nullable }] as const
  })
  return Object.fromEntries(types)
}

export function loadInputs(
  raw: RawPlaybook['inputs'],
  misshapen: ReadonlySet<string>,
  sites: ReadonlyMap<symbol, Site>,
  file: YamlFile,
  diagnostics: Diagnostic[],
): { [name: string]: InputSpec } {
  const sound = Object.entries(recordOf(raw) as NonNullable<typeof raw>).filter(
    ([name, spec]) => isRecord(spec) && !misshapen.has(name),
  )
  const specs = sound.map(([name, each]) => {
    const spec: InputSpec = {
      type: each.type,
      description: each.description,
      optional: each.optional ?? false,
      default: each.default === undefined ? undefined : toTemplate(each.default, sites),
      pattern: each.pattern,
      oneOf: each.oneOf,
    }
    checkSpec(name, spec, each.default, sites, file, diagnostics)
    return [name, spec] as const
  })
  return Object.fromEntries(specs)
}

function checkSpec(
  name: string,
  spec: InputSpec,
  value: unknown,
  sites: ReadonlyMap<symbol, Site>,
  file: YamlFile,
  diagnostics: Diagnostic[],
): void {
  const path = ['inputs', name]
  const report = (key: string, message: string) =>
    diagnostics.push(error('wrong-value', file.place([...path, key]), message))
  if (RESERVED.has(name) || name in Object.prototype) {
    diagnostics.push(error('wrong-value', file.keyPlace(path), `an input cannot be called \`${name}\``))
  }
  const syntax = spec.pattern === undefined ? null : patternSyntaxProblem(spec.pattern)
  if (syntax !== null) {
    report('pattern', `this is no regular expression: ${syntax}`)
    return
  }
  const { oneOf: _, ...withoutList } = spec
  for (const [index, item] of (spec.oneOf ?? []).entries()) {
    const checked = checkInput(withoutList, item)
    if (checked.ok) continue
    diagnostics.push(
      error('wrong-value', file.place([...path, 'oneOf', index]), `this value ${checked.detail}`),
    )
  }
  if (typeof value === 'symbol') checkDefaultExpression(name, spec, sites.get(value)!, file, diagnostics)
  else if (value !== undefined) checkDefaultValue(name, spec, value as Json, file, diagnostics)
}

function checkDefaultValue(
  name: string,
  spec: InputSpec,
  value: Json,
  file: YamlFile,
  diagnostics: Diagnostic[],
): void {
  const place = file.place(['inputs', name, 'default'])
  const checked = checkInput(spec, value)
  if (!checked.ok) {
    const hint =
      typeof value !== 'string' ? `in quotes: "${file.written(['inputs', name, 'default'])}"` : undefined
    const quotable = INPUT_CEL_TYPES[spec.type] === 'string' && spec.type !== 'secret' ? hint : undefined
    const detail = checked.detail.replace(/; put it in quotes.*/, '')
    diagnostics.push(error('wrong-value', place, `the default ${detail}`, { hint: quotable }))
  } else if (spec.type === 'secret') {
    const hint = 'give it with -i, from a file: -i NAME=@FILE'
    diagnostics.push(warning('unused', place, 'a secret that stands in a playbook is no secret', hint))
  }
}

function checkDefaultExpression(
  name: string,
  spec: InputSpec,
  site: Site,
  file: YamlFile,
  diagnostics: Diagnostic[],
): void {
  const place = file.place(['inputs', name, 'default'])
  const wanted = INPUT_CEL_TYPES[spec.type]
  const fits = site.type === 'dyn' || site.type === wanted || (wanted === 'double' && site.type === 'int')
  if (!fits)
    diagnostics.push(
      error('expression', place, `the default of type ${site.type} does not fit the type ${spec.type}`),
    )
  const secret = site.references.find(each => each.root === 'inputs' && isSecret(file, each.name))
  if (secret !== undefined && spec.type !== 'secret') {
    const message = `this default holds the secret \`${secret.name}\`, so \`${name}\` must be a secret too`
    diagnostics.push(error('expression', place, message))
  }
}

/** Values of secrets that stand in the playbook: mistakes beside them show the line. */
export function hideSecrets(file: YamlFile): void {
  for (const [name, spec] of Object.entries(inputsIn(file))) {
    if (!isRecord(spec) || !isMeantAsSecret(spec['type'])) continue
    // A key that was misspelt, too: what is no text of ours is hidden.
    for (const key of Object.keys(spec)) if (!PLAIN_INPUT_KEYS.includes(key)) file.hide(['inputs', name, key])
  }
}

const isMeantAsSecret = (type: unknown) =>
  type === 'secret' || (typeof type === 'string' && nearest(type, INPUT_TYPES) === 'secret')

/** What they say is no value of the input. */
export const PLAIN_INPUT_KEYS: readonly string[] = ['type', 'description', 'optional', 'pattern']

function isSecret(file: YamlFile, name: string): boolean {
  const inputs = inputsIn(file)
  return Object.hasOwn(inputs, name) && recordOf(inputs[name])['type'] === 'secret'
}

const inputsIn = (file: YamlFile) => recordOf(recordOf(file.value)['inputs'])
