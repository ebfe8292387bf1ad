import { readFileSync } from 'node:fs'
import { packagePath } from '../../build/package-path.ts'
import { EXIT_OK, EXIT_USAGE } from '../../report/exit-code.ts'
import type { Io } from '../terminal/io.ts'

const FILES: Readonly<Record<string, string>> = {
  playbook: 'playbook.schema.json',
  report: 'report.schema.json',
  config: 'config.schema.json',
  journal: 'journal.schema.json',
}

/** The JSON Schemas that ship with the package, for editors and for those who parse reports. */
export async function schema(which: string | undefined, io: Io): Promise<number> {
  const name = which ?? 'playbook'
  const file = Object.hasOwn(FILES, name) ? FILES[name] : undefined
  if (file === undefined) {
    io.stderr.write(
      'error: there are schemas of a playbook, a report, a config and a journal\nhint: hostops schema playbook\n',
    )
    return EXIT_USAGE
  }
  io.stdout.write(readFileSync(packagePath(`schemas/${file}`), 'utf8'))
  return EXIT_OK
}
