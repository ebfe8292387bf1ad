import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { CatalogOptions } from '../playbook/catalog.ts'
import { renderDiagnostics } from '../playbook/render.ts'
import { loadSettings, type Settings } from '../playbook/settings.ts'
import { colors } from './colors.ts'
import type { Io } from './io.ts'
import { wordedError } from './print-failure.ts'

/** Where playbooks are looked for; null when the settings are wrong, which is told. */
export function readCatalogOptions(
  options: { playbooks?: string; config?: string },
  io: Io,
): (CatalogOptions & { settings: Settings }) | null {
  const loaded = loadSettings({ config: options.config, env: io.env, cwd: io.cwd })
  if (!loaded.ok) {
    io.stderr.write(renderDiagnostics(loaded.diagnostics, 'text', colors(io.stderr, io.env)))
    return null
  }
  const folder = options.playbooks
  if (folder !== undefined && !existsSync(resolve(io.cwd, folder))) {
    const problem = `--playbooks: there is no folder "${folder}"`
    io.stderr.write(wordedError({ code: 'usage', problem, hint: 'name a folder that holds NAME.yaml files' }))
    return null
  }
  return { playbooks: options.playbooks, settings: loaded.settings, env: io.env, cwd: io.cwd }
}
