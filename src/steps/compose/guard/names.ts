/** Names by which a stack would get what others have made, although each of them may be its own. */

import { posix } from 'node:path'
import { recordOf } from '../../../document/is-record.ts'
import { lines } from '../../contract/plain-text.ts'
import type { StepContext } from '../../contract/step.ts'
import { LOOKING } from '../../stack/commands.ts'
import { type Power, power, text } from '../../stack/power.ts'
import type { Stack } from '../compose.ts'
import type { ComposeConfig } from './host-paths.ts'
import { foreign } from './powers.ts'

/** `a_b_c` is the volume b_c of the project a, and c of the project a_b: Compose takes the one that is there. */
export async function namePowers(
  ctx: StepContext,
  stack: Stack,
  target: ComposeConfig,
  base: ComposeConfig | null,
): Promise<Power[]> {
  const had = volumesOf(base ?? {})
  const fresh = Object.entries(volumesOf(target)).filter(([key]) => !Object.hasOwn(had, key))
  const owners = fresh.length === 0 ? new Map<string, string>() : await owningProjects(ctx)
  const taken = fresh.flatMap(([key, volume]) => {
    const name = text(recordOf(volume)['name'] ?? '')
    const owner = owners.get(name)
    return owner === undefined || owner === target['name'] ? [] : foreign(`volumes/${key}`, name)
  })
  const project = text(target['name'] ?? '')
  const isOwn = base !== null || stack.project !== undefined || project === defaultName(stack.dir)
  return [
    ...taken,
    ...(isOwn ? [] : [power('', 'name', `the stack would be the project ${project}`, project)]),
  ]
}

async function owningProjects(ctx: StepContext): Promise<Map<string, string>> {
  const format = '{{.Name}}\t{{.Label "com.docker.compose.project"}}'
  const { stdout } = await ctx.exec({ argv: ['docker', 'volume', 'ls', '--format', format], ...LOOKING })
  return new Map(lines(stdout).map(line => line.split('\t') as [string, string]))
}

const volumesOf = ({ volumes }: ComposeConfig) => recordOf(volumes)

/** As Compose makes it of a folder. */
const defaultName = (dir: string) =>
  posix
    .basename(dir)
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]/g, '')
    .replace(/^[_-]+/, '')
