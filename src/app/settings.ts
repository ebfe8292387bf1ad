/** The owner's settings, or the failure with its diagnostics. */
import type { Diagnostic } from '../document/diagnostic.ts'
import type { Failure } from '../failure.ts'
import { loadSettings, type Settings } from '../playbook/settings.ts'
import type { Surroundings } from '../process/surroundings.ts'

type ReadSettings =
  | { ok: true; settings: Settings }
  | { ok: false; failure: Failure; diagnostics: readonly Diagnostic[] }

export function readSettings(options: { config?: string | undefined }, around: Surroundings): ReadSettings {
  const loaded = loadSettings({ config: options.config, env: around.env, cwd: around.cwd })
  if (loaded.ok) return loaded
  const { file, diagnostics } = loaded
  const problems = diagnostics.map(({ start, message }) => `${start.line}:${start.column}: ${message}`)
  return { ok: false, failure: { code: 'settings-invalid', file, problems }, diagnostics }
}
