import type { HostPlaybook } from '../../app/at-host/host-playbooks.ts'
import { type CatalogEntry, catalogFolders, listPlaybooks } from '../../playbook/catalog.ts'
import { describeInputs } from '../../playbook/describe.ts'
import { EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import { kinds } from '../../steps/index.ts'
import { jsonLine } from '../../wording/printable.ts'
import { readCatalogOptions } from '../open/catalog-options.ts'
import { withPlaybooksOf } from '../open/with-runs.ts'
import { table } from '../print/table.ts'
import type { Io } from '../terminal/io.ts'

export type ListOptions = { json?: boolean; playbooks?: string; config?: string; target?: string }

/** A broken playbook is listed as such and hides no other. */
export async function list(options: ListOptions, io: Io): Promise<number> {
  const { target } = options
  if (target !== undefined && target !== 'local') return listAt({ ...options, target }, io)
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

const listAt = (options: ListOptions & { target: string }, io: Io): Promise<number> =>
  withPlaybooksOf(options, io, playbooks => {
    if (options.json) io.stdout.write(`${jsonLine(playbooks)}\n`)
    else if (playbooks.length === 0)
      io.stderr.write(`no playbook that this token may run at ${options.target}\n`)
    else io.stdout.write(table([['name', 'description'], ...playbooks.map(rowAt)]))
    return EXIT_OK
  })

const rowAt = ({ name, description, problem }: HostPlaybook): string[] => [
  name,
  problem === null ? firstLine(description ?? '') : `cannot run: ${problem}`,
]
