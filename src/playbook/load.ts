/** Playbook text to a playbook that has passed every check, or to all of its mistakes at once. */
import * as z from 'zod'
import { type Diagnostic, error, inOrder, warning } from '../document/diagnostic.ts'
import { isRecord, recordOf } from '../document/is-record.ts'
import { keysAt } from '../document/schema-keys.ts'
import { decode } from '../document/text-file.ts'
import { withoutValues } from '../document/without-values.ts'
import { readYaml, type YamlFile } from '../document/yaml-file.ts'
import { zodDiagnostics } from '../document/zod-diagnostics.ts'
import { parseDuration } from '../duration.ts'
import { once } from '../steps/contract/once.ts'
import { checkSteps } from './check-steps.ts'
import { checkSites, findTemplates, firstExpression, type Site, toTemplate } from './expression-sites.ts'
import { hideSecrets, inputTypes, loadInputs, PLAIN_INPUT_KEYS } from './load-inputs.ts'
import {
  assembleSteps,
  type Kinds,
  type OutlinedStep,
  outlineSteps,
  type StepsContext,
  shortFormFields,
  stepTypes,
} from './load-steps.ts'
import type { Playbook } from './playbook.ts'
import { playbookSchema, playbookSchemaFor, type RawPlaybook } from './playbook-schema.ts'
import type { ExpressionTypes } from './reference.ts'
import { expressionRules } from './site-rules.ts'
import { wayBackWarnings } from './way-back.ts'

export type Loaded =
  | { ok: true; playbook: Playbook; warnings: Diagnostic[] }
  | { ok: false; diagnostics: Diagnostic[] }

// Compiling a schema pays after many values; most playbooks hold a handful of steps.
z.config({ jitless: true })

const DEFAULT_TIMEOUT = '1h'
const DEFAULT_ROLLBACK_TIMEOUT = '15m'

/** `file` is only what messages name. Never throws on any text. */
export function loadPlaybook(text: Buffer | string, file: string, kinds: Kinds): Loaded {
  const decoded = decode(text, file)
  if (!decoded.ok) return decoded
  const yaml = readYaml(decoded.source, 'playbook')
  if (yaml.ok) return loadYaml(yaml.file, kinds)
  const more = yaml.file === null ? null : loadYaml(yaml.file, kinds)
  const known = new Set(yaml.diagnostics.map(startOf))
  const others = more === null || more.ok ? [] : more.diagnostics.filter(each => !known.has(startOf(each)))
  const all = inOrder([...yaml.diagnostics, ...others])
  return { ok: false, diagnostics: withoutValues(all, decoded.source, ['inputs'], PLAIN_INPUT_KEYS) }
}

/** Of two mistakes at one place the second only follows from the first. */
const startOf = ({ start }: Diagnostic) => `${start.line}:${start.column}`

function loadYaml(file: YamlFile, kinds: Kinds): Loaded {
  const shape = shapeProblem(file)
  return shape === null ? loadChecked(file, kinds) : { ok: false, diagnostics: [shape] }
}

/** What expressions were parsed and checked with belongs to their types, so that it is asked for again by the same. */
const typesOf = new WeakMap<Playbook, ExpressionTypes>()

/** The types that expressions of this playbook see. */
export function expressionTypes(playbook: Playbook): ExpressionTypes {
  const types = typesOf.get(playbook) ?? typesAnew(playbook)
  typesOf.set(playbook, types)
  return types
}

function typesAnew(playbook: Playbook): ExpressionTypes {
  return {
    inputs: Object.fromEntries(
      Object.entries(playbook.inputs).map(([name, { type, optional, default: value }]) => [
        name,
        { type, nullable: optional && value === undefined },
      ]),
    ),
    steps: Object.fromEntries(
      playbook.steps.map(({ id, kind, when, continueOnError }) => [
        id,
        { outputs: { ...kind.outputs }, nullable: when !== undefined || continueOnError },
      ]),
    ),
    env: playbook.env,
  }
}

function loadChecked(file: YamlFile, kinds: Kinds): Loaded {
  hideSecrets(file)
  const diagnostics: Diagnostic[] = []
  const { probe, sites } = findTemplates(file, diagnostics)
  const raw = probe as RawPlaybook
  const context = { file, sites, kinds, diagnostics }
  const outline = outlineSteps(raw.steps, context)
  const types = { inputs: inputTypes(raw.inputs), steps: stepTypes(outline), env: namesOf(raw.env) }
  checkSites(file, sites, expressionRules(file, outline, types), diagnostics)
  const misshapen = checkShape(probe, outline, context)
  const inputs = loadInputs(raw.inputs, misshapen, sites, file, diagnostics)
  const defaults = recordOf(raw.defaults)
  checkSteps(raw.steps, outline, defaults, context)
  const ordered = inOrder(diagnostics)
  if (ordered.some(each => each.severity === 'error')) return { ok: false, diagnostics: ordered }
  const playbook: Playbook = {
    file: file.source.file,
    get digest() {
      return sha256(file.source.text)
    },
    text: file.source.text,
    name: raw.name,
    description: raw.description,
    inputs,
    env: raw.env ?? [],
    target: raw.target,
    onFailure: raw.onFailure === undefined ? 'rollback' : toTemplate(raw.onFailure, sites),
    timeoutMs: parseDuration(raw.timeout ?? DEFAULT_TIMEOUT)!,
    rollbackTimeoutMs: parseDuration(raw.rollbackTimeout ?? DEFAULT_ROLLBACK_TIMEOUT)!,
    steps: assembleSteps(raw.steps, outline, defaults, sites),
  }
  typesOf.set(playbook, types)
  return {
    ok: true,
    playbook,
    warnings: inOrder([
      ...file.warnings,
      ...ordered,
      ...unusedInputs(raw, sites, file),
      ...wayBackWarnings(raw.steps, outline, defaults, file),
    ]),
  }
}

/** Loaded when asked for: Node's crypto is a tenth of what checking a playbook costs. */
function sha256(text: string): string {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex')
}

/** Everything but what the step kinds say. Answers with the inputs whose specification cannot be looked at. */
function checkShape(probe: unknown, outline: readonly OutlinedStep[], context: StepsContext): Set<string> {
  const { file, sites, diagnostics } = context
  const misshapen = new Set<string>()
  const shortForm = once(() => shortFormFields(context.kinds))
  const whole = once(() => playbookSchema(shortForm()))
  const parsed = playbookSchemaFor(probe, shortForm).safeParse(probe)
  for (const issue of parsed.error?.issues ?? []) {
    const found = zodDiagnostics([issue], {
      value: probe,
      celType: symbol => sites.get(symbol)?.type ?? null,
      expressionPlace: symbol => firstExpression(file, sites.get(symbol)),
      place: path => file.place(path),
      keyPlace: path => file.keyPlace(path),
      written: path => file.written(path),
      keysAt: path => keysAt(whole(), path),
      explainKey: (key, path) => explainStepKey(key, path, outline),
    })
    diagnostics.push(...found)
    if (found.length > 0 && issue.path[0] === 'inputs') misshapen.add(String(issue.path[1]))
  }
  return misshapen
}

function shapeProblem(file: YamlFile): Diagnostic | null {
  const { value } = file
  if (!isRecord(value)) {
    return error('wrong-value', file.place([]), 'a playbook is a map', {
      hint: 'see `hostops init` for a starter',
    })
  }
  const version = value['hostops']
  if (version === undefined) return null
  if (typeof version === 'number' && version > 1) {
    const message = `this playbook is made for a newer hostops: it is format ${version}, this hostops knows 1`
    return error('version', file.place(['hostops']), message, {
      hint: 'upgrade hostops: npm install -g hostops@latest',
    })
  }
  return null
}

function explainStepKey(
  key: string,
  path: readonly (string | number)[],
  outline: readonly OutlinedStep[],
): { message: string; hint?: string } | undefined {
  if (path.length !== 2 || path[0] !== 'steps') return undefined
  const step = outline[Number(path[1])]
  if (step?.kind == null || step.form !== 'uses' || !keysAt(step.kind.schema(), []).includes(key))
    return undefined
  return { message: `\`${key}\` belongs under \`with:\``, hint: `with: { ${key}: ... }` }
}

function namesOf(raw: unknown): string[] {
  return Array.isArray(raw) ? raw.filter(each => typeof each === 'string') : []
}

function unusedInputs(raw: RawPlaybook, sites: ReadonlyMap<symbol, Site>, file: YamlFile): Diagnostic[] {
  const used = new Set<string>()
  for (const { references } of sites.values()) {
    for (const { root, name } of references) if (root === 'inputs') used.add(name)
  }
  return Object.keys(raw.inputs ?? {})
    .filter(name => !used.has(name))
    .map(name => warning('unused', file.keyPlace(['inputs', name]), `nothing uses the input \`${name}\``))
}
