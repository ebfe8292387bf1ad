/** Files of the tree that services have mounted: Compose leaves a container alone whose mounted file has changed. */

import { createHash } from 'node:crypto'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { AS_OWNER_OF_FOLDER } from '../git/owner.ts'
import { LOOKING } from '../stack/commands.ts'
import type { Stack } from './compose.ts'
import { jsonOf } from './project.ts'

type Reference = { source?: unknown }
type Service = { volumes?: unknown; configs?: unknown; secrets?: unknown }
type Definition = { file?: unknown; content?: unknown; environment?: unknown } | null
type Rendered = {
  services?: Record<string, Service>
  configs?: Record<string, Definition>
  secrets?: Record<string, Definition>
} | null

/** By service: one digest of all that it mounts out of the stack's folder. A service that mounts nothing has none. */
export async function mountedDigests(
  ctx: StepContext,
  { dir }: Pick<Stack, 'dir'>,
  rendered: string,
): Promise<Map<string, string>> {
  const folder = canonicalPath(dir)
  const mounts = mountsOf(jsonOf(rendered) as Rendered, folder)
  const files = [...new Set([...mounts.values()].flatMap(mount => mount.files))]
  const seen = await contents(ctx, folder, files)
  return new Map(
    [...mounts].map(([service, mount]) => {
      const hash = createHash('sha256').update(mount.inline)
      for (const file of mount.files) hash.update(`\0${file}\0${seen.get(file) ?? ''}`)
      return [service, hash.digest('hex')]
    }),
  )
}

/** Pure. What lies outside the folder is no part of the tree, and changes when its owner wants it to. */
export function mountsOf(
  rendered: Rendered,
  folder: string,
): Map<string, { files: string[]; inline: string }> {
  const list = (value: unknown) => (Array.isArray(value) ? (value as Reference[]) : [])
  const found = new Map<string, { files: string[]; inline: string }>()
  for (const [name, service] of Object.entries(rendered?.services ?? {})) {
    const binds = list(service.volumes).map(volume => volume.source)
    const definitions = (['configs', 'secrets'] as const).flatMap(kind =>
      list(service[kind]).map(({ source }) => rendered?.[kind]?.[String(source)] ?? null),
    )
    const files = [...binds, ...definitions.map(definition => definition?.file)].filter(
      file => typeof file === 'string' && file.startsWith(`${folder}/`),
    ) as string[]
    const inline = definitions.flatMap(each => (each?.content === undefined ? [] : [each.content]))
    if (files.length + inline.length === 0) continue
    found.set(name, {
      files: [...new Set(files)].sort(),
      inline: inline.length === 0 ? '' : JSON.stringify(inline),
    })
  }
  return found
}

/** What git tracks of it, because a mounted folder holds data too; where git tracks nothing, a file as it is. */
const CONTENTS = `
cd -- "$1" || exit 0; shift
${AS_OWNER_OF_FOLDER}
for file do
  tracked=$($as env GIT_OPTIONAL_LOCKS=0 git --no-replace-objects -c safe.directory= -c core.fsmonitor=false ls-files -s -- "$file" 2>/dev/null)
  if [ -n "$tracked" ]; then printf %s "$tracked" | cksum
  elif [ -f "$file" ]; then cksum <"$file"
  else echo -
  fi
done
`

async function contents(
  ctx: StepContext,
  folder: string,
  files: readonly string[],
): Promise<Map<string, string>> {
  if (!ctx.hasShell || files.length === 0) return new Map()
  const argv = ['sh', '-c', CONTENTS, 'hostops-contents', folder, ...files]
  const { stdout } = await ctx.exec({ argv, ...LOOKING })
  const sums = stdout.split('\n')
  return new Map(files.map((file, at) => [file, sums[at] ?? '']))
}
