import { readSettings } from '../../app/read-settings.ts'
import { playbooksProblem } from '../../app/start-options.ts'
import { renderDiagnostics } from '../../document/print-diagnostics.ts'
import type { CatalogOptions } from '../../playbook/catalog.ts'
import type { Settings } from '../../playbook/settings.ts'
import { wordedError } from '../print/print-failure.ts'
import { colors } from '../terminal/colors.ts'
import type { Io } from '../terminal/io.ts'

/** Returns the folders to search for playbooks. If the settings are wrong, prints why and returns null. */
export function readCatalogOptions(
  options: { playbooks?: string; config?: string },
  io: Io,
): (CatalogOptions & { settings: Settings }) | null {
  const read = readSettings(options, io)
  if (!read.ok) {
    io.stderr.write(renderDiagnostics(read.diagnostics, 'text', colors(io.stderr, io.env)))
    return null
  }
  const wrong = playbooksProblem(options.playbooks, io.cwd)
  if (wrong !== null) {
    io.stderr.write(wordedError(wrong))
    return null
  }
  return { playbooks: options.playbooks, settings: read.settings, env: io.env, cwd: io.cwd }
}
