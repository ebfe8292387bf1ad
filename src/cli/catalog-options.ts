import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { renderDiagnostics } from '../document/print-diagnostics.ts'
import type { Failure } from '../failure.ts'
import type { CatalogOptions } from '../playbook/catalog.ts'
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
  const wrong = playbooksProblem(options.playbooks, io.cwd)
  if (wrong !== null) {
    io.stderr.write(wordedError(wrong))
    return null
  }
  return { playbooks: options.playbooks, settings: loaded.settings, env: io.env, cwd: io.cwd }
}

/** Who names a folder must not be given a playbook of that name from another one. */
export const playbooksProblem = (folder: string | undefined, cwd: string): Failure | null =>
  folder === undefined || isFolder(resolve(cwd, folder))
    ? null
    : {
        code: 'usage',
        problem: `--playbooks: there is no folder "${folder}"`,
        hint: 'name a folder that holds NAME.yaml files',
      }

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
