/** The record of what `hostops openclaw install` did on this machine, so that it can be changed and taken away again. */
import { readFileSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { commandMistake } from '../../failure.ts'
import { judge } from '../../hostlink/daemon/policy/trust.ts'
import { makeFolder } from '../../process/make-folder.ts'
import { quietly } from '../../process/quietly.ts'
import { partOf, writeOwned } from '../../process/write-owned.ts'
import type { DoorOptions } from './layout.ts'

const text = z.string()
const schema = z.object({
  version: z.literal(1),
  options: z.object({
    ...{ user: text, agent: text, dir: text, config: text, state: text },
    gateway: z.object({ host: text, port: z.number() }),
  }),
  /** The user did not exist before. */
  madeUser: z.boolean(),
  /** The approvals that hostops wrote, or was about to write. */
  approvals: z.array(z.looseObject({})),
  done: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('folder'), path: text }),
      z.object({ kind: z.literal('file'), path: text, digests: z.array(text) }),
      z.object({ kind: z.literal('line'), path: text, line: text }),
      z.object({ kind: z.literal('entry'), path: text, at: z.array(text), values: z.array(z.unknown()) }),
    ]),
  ),
})

export type Manifest = z.infer<typeof schema> & { options: DoorOptions }

/** There is one door on a machine. */
const manifestFile = (root: string): string => join(root, '/var/lib/hostops/openclaw.json')

/** Null if nothing was installed. Throws if there is a manifest that cannot be read, or that others could have written. */
export function readManifest(root: string): Manifest | null {
  const file = manifestFile(root)
  const { found, unsafe } = judge(file, new Set([0, process.geteuid?.() ?? 0]))
  if (found === null && unsafe === null) return null
  if (unsafe !== null)
    throw commandMistake(`${unsafe.reason}, so that ${file} is not trusted`, unsafe.hint ?? `ls -ld ${file}`)
  const manifest = schema.parse(JSON.parse(readFileSync(file, 'utf8')))
  return { ...manifest, options: { ...manifest.options, root } }
}

export function writeManifest(manifest: Manifest): void {
  const file = manifestFile(manifest.options.root)
  makeFolder(dirname(file), 0o700)
  writeOwned(file, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 })
}

export function removeManifest(root: string): void {
  for (const file of [manifestFile(root), partOf(manifestFile(root))]) rmSync(file, { force: true })
  // The runs of this host live there as well.
  quietly(() => rmdirSync(dirname(manifestFile(root))))
}
