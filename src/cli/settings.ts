/** The owner's settings, or a failure together with what a person is shown of it. */

import { renderDiagnostics } from '../document/print-diagnostics.ts'
import type { Failure } from '../failure.ts'
import { loadSettings, type Settings } from '../playbook/settings.ts'
import type { Io } from './io.ts'

type ReadSettings = { ok: true; settings: Settings } | { ok: false; failure: Failure; details: string }

export function readSettings(options: { config?: string }, io: Io): ReadSettings {
  const loaded = loadSettings({ config: options.config, env: io.env, cwd: io.cwd })
  if (loaded.ok) return loaded
  const { file, diagnostics } = loaded
  const problems = diagnostics.map(({ start, message }) => `${start.line}:${start.column}: ${message}`)
  return {
    ok: false,
    failure: { code: 'settings-invalid', file, problems },
    details: renderDiagnostics(diagnostics, 'text'),
  }
}
