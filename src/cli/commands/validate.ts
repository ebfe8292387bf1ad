import { createSource, type Diagnostic, error } from '../../document/diagnostic.ts'
import { type DiagnosticFormat, renderDiagnostics } from '../../document/print-diagnostics.ts'
import { type CatalogOptions, findPlaybook } from '../../playbook/catalog.ts'
import { loadPlaybook } from '../../playbook/load.ts'
import { EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import { kinds } from '../../steps/index.ts'
import { jsonLine } from '../../wording/printable.ts'
import { word } from '../../wording/word.ts'
import { readCatalogOptions } from '../open/catalog-options.ts'
import { colors } from '../terminal/colors.ts'
import type { Io } from '../terminal/io.ts'

export type ValidateOptions = { format: string; playbooks?: string; config?: string }

const FORMATS: readonly string[] = ['text', 'json', 'github']

/** All diagnostics of all files on stdout; how many there are on stderr. */
export async function validate(files: string[], options: ValidateOptions, io: Io): Promise<number> {
  if (!FORMATS.includes(options.format)) {
    io.stderr.write(
      `error: --format takes text, json or github\nhint: hostops validate ${files[0]} --format github\n`,
    )
    return EXIT_USAGE
  }
  const catalog = readCatalogOptions(options, io)
  if (catalog === null) return EXIT_USAGE
  const results = files.map(file => ({ file, diagnostics: diagnose(file, catalog) }))
  const all = results.flatMap(result => result.diagnostics)
  const count = (severity: string) => all.filter(each => each.severity === severity).length
  const [errors, warnings] = [count('error'), count('warning')]
  if (options.format === 'json') {
    io.stdout.write(`${jsonLine({ valid: errors === 0, errors, warnings, files: results })}\n`)
  } else {
    io.stdout.write(renderDiagnostics(all, options.format as DiagnosticFormat, colors(io.stdout, io.env)))
  }
  io.stderr.write(summary(files.length, errors, warnings))
  return errors === 0 ? EXIT_OK : EXIT_USAGE
}

function diagnose(nameOrFile: string, catalog: CatalogOptions): Diagnostic[] {
  const found = findPlaybook(nameOrFile, catalog)
  if (!found.ok) {
    const { message, hint } = word(found.failure)
    if (found.failure.code === 'playbook-unreadable')
      return [error('unreadable', createSource(nameOrFile, '').place(0, 0), found.failure.problem, { hint })]
    return [error('unreadable', createSource(nameOrFile, '').place(0, 0), message, { hint })]
  }
  const loaded = loadPlaybook(found.bytes, found.file, kinds)
  return loaded.ok ? loaded.warnings : loaded.diagnostics
}

function summary(files: number, errors: number, warnings: number): string {
  const of = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`
  const found = [errors > 0 ? of(errors, 'error') : '', warnings > 0 ? of(warnings, 'warning') : ''].filter(
    Boolean,
  )
  return `${of(files, 'playbook')}: ${found.length === 0 ? 'valid' : found.join(', ')}\n`
}
