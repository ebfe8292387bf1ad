import { type CatalogEntry, catalogFolders, listPlaybooks } from '../../playbook/catalog.ts'
import { describeInputs } from '../../playbook/describe.ts'
import { kinds } from '../../steps/index.ts'
import { jsonLine } from '../../ui/printable.ts'
import { readCatalogOptions } from '../catalog-options.ts'
import { EXIT_OK, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { table } from '../table.ts'

export type ListOptions = { json?: boolean; playbooks?: string; config?: string }

/** A broken playbook is listed as such and hides no other. */
export async function list(options: ListOptions, io: Io): Promise<number> {
  const catalog = readCatalogOptions(options, io)
  if (catalog === null) return EXIT_USAGE
  const entries = listPlaybooks(catalog, kinds)
  if (options.json) {
    io.stdout.write(`${jsonLine(entries.map(entry => asJson(entry, catalog.settings)))}\n`)
  } else if (entries.length === 0) {
    const folders = catalogFolders(catalog).map(folder => `  ${folder.path}\n`)
    io.stderr.write(`no playbooks in\n${folders.join('')}`)
  } else {
    io.stdout.write(table([['name', 'from', 'description'], ...entries.map(row)]))
  }
  return EXIT_OK
}

function row(entry: CatalogEntry): string[] {
  if (entry.ok) return [entry.name, entry.origin, firstLine(entry.playbook.description ?? '')]
  const [first] = entry.diagnostics
  const where = first === undefined ? entry.file : `${first.file}:${first.start.line}:${first.start.column}`
  return [entry.name, entry.origin, `broken: ${where}: ${first?.message ?? ''}`]
}

function asJson(entry: CatalogEntry, settings: Parameters<typeof describeInputs>[1]) {
  const { name, file, origin } = entry
  if (!entry.ok) return { name, file, from: origin, valid: false, diagnostics: entry.diagnostics }
  const { playbook } = entry
  return {
    name,
    file,
    from: origin,
    valid: true,
    description: playbook.description ?? null,
    inputs: describeInputs(playbook, settings),
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? ''
}
