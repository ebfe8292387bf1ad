/**
 * What a compose that was killed while it replaced a container leaves behind: the old container, stopped, and the new
 * one under the name `<12 hex>_<name>`, never started. The next `up` would fail on the name.
 */
import { docker, type Stack } from './compose.ts'
import { readReplicas } from './compose-project.ts'
import { canonicalPath } from './fields.ts'
import type { Replica } from './stability.ts'
import type { StepContext } from './step.ts'

const HALF = /^([0-9a-f]{12})_(.+)$/

/** Pure. `name` is null where the container that it was to replace is still there. */
export function leftovers(replicas: readonly Replica[]): { replica: Replica; name: string | null }[] {
  return replicas.flatMap(replica => {
    const [, id, name] = HALF.exec(replica.name) ?? []
    if (id === undefined || name === undefined || replica.status !== 'created') return []
    const old = replicas.some(other => other.name === name || other.id.startsWith(id))
    return [{ replica, name: old ? null : name }]
  })
}

/** Without those that never were more than half of a replacement. */
export function withoutLeftovers(replicas: readonly Replica[]): Replica[] {
  const half = new Set(
    leftovers(replicas).flatMap(({ replica, name }) => (name === null ? [replica.id] : [])),
  )
  return replicas.filter(replica => !half.has(replica.id))
}

/** Only containers of this project, and only such as have never run: nothing of theirs can be lost. */
export async function repair(ctx: StepContext, stack: Stack, project: string): Promise<Replica[]> {
  const now = await readReplicas(ctx, stack, project, null)
  const half = leftovers(now)
  if (half.length === 0) return now
  const dir = canonicalPath(stack.dir)
  for (const { replica, name } of half) {
    if (name === null) {
      ctx.say(`${replica.name} is left of an interrupted replacement, never started: removed`)
      await docker(ctx, dir, ['rm', replica.id], { quiet: true })
    } else {
      // It may hold the anonymous volumes of the container that is gone.
      ctx.say(`${replica.name} is left of an interrupted replacement: renamed to ${name}`)
      await docker(ctx, dir, ['rename', replica.id, name], { quiet: true })
    }
  }
  return readReplicas(ctx, stack, project, null)
}
