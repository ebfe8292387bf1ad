/** The record of what `hostops openclaw install` did on this machine, so that it can be changed and taken away again. */
import { readFileSync, rmdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { makeFolder } from '../../process/make-folder.ts'
import { quietly } from '../../process/quietly.ts'
import { writeAtomically } from '../../runs/atomic-file.ts'

const text = z.string()
const schema = z.object({
  version: z.literal(1),
  options: z.object({
    ...{ user: text, agent: text, openclaw: text, dir: text, config: text, state: text, root: text },
    gateway: z.object({ host: text, port: z.number() }),
  }),
  /** The user did not exist before. */
  madeUser: z.boolean(),
  /** The approvals that hostops wrote; null if somebody has to do that by hand. */
  approvals: z.looseObject({}).nullable(),
  done: z.array(
    z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('folder'), path: text }),
      z.object({ kind: z.literal('file'), path: text, sha256: text }),
      z.object({ kind: z.literal('line'), path: text, line: text }),
      z.object({
        ...{ kind: z.literal('entry'), path: text, at: z.array(text), value: z.unknown() },
      }),
    ]),
  ),
})

export type Manifest = z.infer<typeof schema>

/** There is one door on a machine. */
const manifestFile = (root: string): string => join(root, '/var/lib/hostops/openclaw.json')

/** Null if nothing was installed. Throws if there is a manifest that cannot be read. */
export function readManifest(root: string): Manifest | null {
  let content: string
  try {
    content = readFileSync(manifestFile(root), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  return schema.parse(JSON.parse(content))
}

export function writeManifest(manifest: Manifest): void {
  const file = manifestFile(manifest.options.root)
  makeFolder(dirname(file), 0o700)
  writeAtomically(file, `${JSON.stringify(manifest, null, 2)}\n`, 0o600)
}

export function removeManifest(root: string): void {
  rmSync(manifestFile(root), { force: true })
  // The runs of this host live there as well.
  quietly(() => rmdirSync(dirname(manifestFile(root))))
}
