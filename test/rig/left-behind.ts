/** Files of runs that an earlier release left behind, kept as it wrote them, with {{NAMES}} for what differs from place to place. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { placeHere } from '../../src/runs/runner-identity.ts'

/** Their runners lived in this container, before its machine was started again. */
export function leftBehind(file: string, values: Readonly<Record<string, string>>): Map<string, string> {
  const { machine = '', pids = '' } = placeHere()
  const text = filled(readFileSync(file, 'utf8'), { MACHINE: machine, PIDS: pids, ...values })
  const files = partsOf(text)
  // A run is not resumed with a plan or a playbook other than the one that it began with.
  for (const folder of [...files.keys()].filter(name => name.endsWith('/plan.json')).map(dirname)) {
    const fill = (name: string, values: Readonly<Record<string, string>>): string => {
      const text = filled(files.get(`${folder}/${name}`)!, values)
      files.set(`${folder}/${name}`, text)
      return text
    }
    const plan = fill('plan.json', { PLAYBOOK_DIGEST: sha256(files.get(`${folder}/playbook.yaml`)!) })
    fill('run.json', { PLAN_HASH: sha256(plan).slice(0, 20) })
  }
  return files
}

export function putFiles(root: string, files: ReadonlyMap<string, string>): void {
  for (const [name, text] of files) {
    const path = join(root, name)
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    writeFileSync(path, text, { mode: 0o600 })
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

const filled = (text: string, values: Readonly<Record<string, string>>) =>
  Object.entries(values).reduce((filled, [name, value]) => filled.replaceAll(`{{${name}}}`, value), text)

const partsOf = (text: string) =>
  new Map(
    text
      .split(/^=== /m)
      .slice(1)
      .map(part => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n') + 1)] as const),
  )
