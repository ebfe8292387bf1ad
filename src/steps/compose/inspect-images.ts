/** Images by their names, as the engine has them now. */

import { lines } from '../contract/plain-text.ts'
import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { composeFailed } from './compose-error.ts'
import { jsonOf } from './project.ts'

/** Null: there is no such image. */
export async function imageIds(
  ctx: StepContext,
  dir: string,
  names: readonly string[],
): Promise<Map<string, string | null>> {
  return inspectEach(ctx, dir, names, { format: '{{.Id}}', read: line => line })
}

export const inspectImages = (ctx: StepContext, dir: string, names: readonly string[]) =>
  inspectEach(ctx, dir, names, {
    format: '{{.Id}} {{json .Config}}',
    read(line) {
      const config = jsonOf(line.slice(line.indexOf(' ') + 1)) as { Env?: string[] | null } | null
      return { id: line.split(' ', 1)[0]!, variables: config?.Env ?? [] }
    },
  })

/** One question where all are there, which is the usual case. */
async function inspectEach<T>(
  ctx: StepContext,
  dir: string,
  names: readonly string[],
  how: { format: string; read: (line: string) => T },
): Promise<Map<string, T | null>> {
  const asked = [...new Set(names)].sort()
  if (asked.length === 0) return new Map()
  const argv = ['docker', 'image', 'inspect', '--format', how.format, '--', ...asked]
  const done = await ctx.exec({ argv, ...LOOKING })
  const found = lines(done.stdout)
  if (done.code === 0 && found.length === asked.length)
    return new Map(asked.map((name, at) => [name, how.read(found[at]!)]))
  const [only] = asked
  if (asked.length === 1 && only !== undefined) {
    const failed = composeFailed(canonicalPath(dir), 'image inspect', done)
    // Nobody was there to be asked: that says nothing about the image.
    if (done.code !== 0 && failed.failure.code !== 'compose-failed') throw failed
    return new Map([[only, null]])
  }
  const each = await Promise.all(asked.map(name => inspectEach(ctx, dir, [name], how)))
  return new Map(each.flatMap(one => [...one]))
}
