/**
 * `hostops.config.yaml`: what a host's owner sets once. The first that exists counts, files are not merged:
 * `--config`, HOSTOPS_CONFIG, the nearest `hostops.config.yaml` upwards, the one in the user's config folder.
 */

import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import * as z from 'zod'
import { createSource, type Diagnostic, error, inOrder } from '../document/diagnostic.ts'
import { recordOf } from '../document/is-record.ts'
import type { Json } from '../document/json.ts'
import { readFileBounded } from '../document/read-file.ts'
import { keysAt } from '../document/schema-keys.ts'
import { decode } from '../document/text-file.ts'
import { withoutValues } from '../document/without-values.ts'
import { readYaml, type YamlFile } from '../document/yaml-file.ts'
import { zodDiagnostics } from '../document/zod-diagnostics.ts'
import type { Env } from '../process/surroundings.ts'
import { userConfigFolder } from '../process/user-folders.ts'

type InputValues = { [playbook: string]: { [input: string]: Json } }

export type NodeSettings = {
  gateway?: string | undefined
  tokenFile?: string | undefined
  trigger?: string | undefined
  agent?: string | undefined
}

export type Settings = {
  /** Null: there is none, and everything is at its default. */
  file: string | null
  target?: string | undefined
  /** Absolute; written relative to the file. */
  playbooks?: string | undefined
  stateDir?: string | undefined
  keepRuns?: number | undefined
  keepDays?: number | undefined
  /** By the names that `--target node:NAME` has. */
  nodes?: { [name: string]: NodeSettings } | undefined
  /** What a caller need not give. */
  inputs: InputValues
  /** What a caller may not give. */
  pinned: InputValues
}

type LoadedSettings =
  | { ok: true; settings: Settings }
  | { ok: false; file: string; diagnostics: Diagnostic[] }

const SETTINGS_FILE = 'hostops.config.yaml'
/** Of settings: inputs of playbooks, secrets among them. */
const VALUE_SECTIONS = ['inputs', 'pinned']

export function loadSettings(options: {
  config?: string | undefined
  env: Env
  cwd: string
}): LoadedSettings {
  const file = findSettings(options)
  if (file === null) return { ok: true, settings: { file: null, inputs: {}, pinned: {} } }
  const read = readFileBounded(file)
  if (!read.ok) {
    const place = createSource(file, '').place(0, 0)
    return { ok: false, file, diagnostics: [error('unreadable', place, read.problem)] }
  }
  return parseSettings(read.bytes, file, options.env)
}

export function parseSettings(bytes: Buffer | string, file: string, env: Env): LoadedSettings {
  const decoded = decode(bytes, file)
  if (!decoded.ok) return { ok: false, file, diagnostics: decoded.diagnostics }
  if (decoded.source.text.trim() === '') return { ok: true, settings: { file, inputs: {}, pinned: {} } }
  const yaml = readYaml(decoded.source, 'settings file')
  if (!yaml.ok) {
    const mistakes = inOrder(yaml.diagnostics)
    return { ok: false, file, diagnostics: withoutValues(mistakes, decoded.source, VALUE_SECTIONS, []) }
  }
  hideValues(yaml.file)
  const schema = settingsSchema()
  const parsed = schema.safeParse(yaml.file.value)
  if (!parsed.success)
    return { ok: false, file, diagnostics: inOrder(explain(parsed.error.issues, yaml.file, schema)) }
  const { inputs, pinned, playbooks, stateDir, nodes = {}, ...plain } = parsed.data
  const path = (value: string | undefined) =>
    value === undefined ? undefined : settingsPath(value, file, env)
  return {
    ok: true,
    settings: {
      ...plain,
      file,
      playbooks: path(playbooks),
      stateDir: path(stateDir),
      nodes: Object.fromEntries(
        Object.entries(nodes).map(([name, node]) => [name, { ...node, tokenFile: path(node.tokenFile) }]),
      ),
      inputs: inputs ?? {},
      pinned: pinned ?? {},
    },
  }
}

/** Which of them are secrets is for the playbooks to say, which were not read yet. */
function hideValues(file: YamlFile): void {
  for (const section of VALUE_SECTIONS)
    for (const [playbook, values] of Object.entries(recordOf(recordOf(file.value)[section])))
      for (const name of Object.keys(recordOf(values))) file.hide([section, playbook, name])
}

export function settingsSchema() {
  const values = () =>
    z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))).optional()
  const text = () => z.string().min(1).optional()
  return z.strictObject({
    target: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Used when neither --target nor the playbook names one: local, hostlink:<name>, ssh:<destination>, node:<name>.',
      ),
    playbooks: z.string().min(1).optional().describe('Folder of named playbooks, relative to this file.'),
    stateDir: z.string().min(1).optional().describe('Where journals, reports and logs are kept.'),
    keepRuns: z
      .int()
      .min(1, 'at least 1')
      .max(100_000, 'at most 100000')
      .optional()
      .describe('How many runs are kept.'),
    keepDays: z
      .int()
      .min(1, 'at least 1')
      .max(36_500, 'at most 36500')
      .optional()
      .describe('For how many days runs are kept. Those that have not ended are kept for ever.'),
    nodes: z
      .record(
        z.string(),
        z.strictObject({
          gateway: text().describe(
            'Address of the gateway. Default: OPENCLAW_GATEWAY_URL, ws://127.0.0.1:18789.',
          ),
          tokenFile: text().describe('File with the gateway’s token. Default: OPENCLAW_GATEWAY_TOKEN.'),
          trigger: text().describe(
            'hostops-trigger on the node. Default: /usr/local/lib/hostops/hostops-trigger.',
          ),
          agent: text().describe('The agent whose exec approvals on the node count. Default: main.'),
        }),
      )
      .optional()
      .describe('Per OpenClaw node, as --target node:NAME names it, how it is reached.'),
    inputs: values().describe('Per playbook, values of inputs that a caller need not give.'),
    pinned: values().describe('Per playbook, values of inputs that a caller may not give.'),
  })
}

function findSettings({
  config,
  env,
  cwd,
}: {
  config?: string | undefined
  env: Env
  cwd: string
}): string | null {
  if (config !== undefined) return resolve(cwd, config)
  const fromEnv = env['HOSTOPS_CONFIG']
  if (fromEnv !== undefined && fromEnv !== '') return resolve(cwd, fromEnv)
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const file = join(folder, SETTINGS_FILE)
    if (existsSync(file)) return file
    if (folder === dirname(folder)) break
  }
  const own = userConfigFolder(env)
  const file = own === null ? null : join(own, SETTINGS_FILE)
  return file !== null && existsSync(file) ? file : null
}

function settingsPath(value: string, file: string, env: Env): string {
  const home = env['HOME']
  const expanded = value.startsWith('~/') && home !== undefined ? join(home, value.slice(2)) : value
  return resolve(dirname(file), expanded)
}

function explain(issues: z.core.$ZodIssue[], file: YamlFile, schema: z.ZodType): Diagnostic[] {
  return zodDiagnostics(issues, {
    value: file.value,
    celType: () => null,
    expressionPlace: () => undefined,
    place: path => file.place(path),
    keyPlace: path => file.keyPlace(path),
    written: path => file.written(path),
    keysAt: path => keysAt(schema, path),
  })
}
