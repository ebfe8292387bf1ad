/**
 * What a compose that was killed while it replaced a container leaves behind: the old container, stopped, and the new
 * one under the name `<12 hex>_<name>`, never started. The next `up` would fail on the name.
 */

import { canonicalPath } from '../contract/schema-fields.ts'
import type { StepContext } from '../contract/step.ts'
import { docker, type Stack } from './compose.ts'
import { lastEvent } from './container-events.ts'
import { listContainers } from './project.ts'
import type { Replica } from './stability.ts'

const HALF = /^([0-9a-f]{12})_(.+)$/

type Seen = Pick<Replica, 'id' | 'name' | 'status' | 'service'>

/** Either the container that it was to replace is still there, or its name is free. */
type Leftover<R> = { replica: R } & ({ old: R; name: null } | { old: null; name: string })

/** Pure. */
export function leftovers<R extends Seen>(replicas: readonly R[]): Leftover<R>[] {
  return replicas.flatMap((replica): Leftover<R>[] => {
    const [, id, name] = HALF.exec(replica.name) ?? []
    if (id === undefined || name === undefined || replica.status !== 'created') return []
    const old = replicas.find(other => other.name === name || other.id.startsWith(id))
    return [old ? { replica, old, name: null } : { replica, old: null, name }]
  })
}

/** Without those that never were more than half of a replacement. */
export function withoutLeftovers(replicas: readonly Replica[]): Replica[] {
  const half = new Set(
    leftovers(replicas).flatMap(({ replica, name }) => (name === null ? [replica.id] : [])),
  )
  return replicas.filter(replica => !half.has(replica.id))
}

/**
 * Only containers of this project, and only such as have never run: nothing of theirs can be lost. Tells what was there
 * before, and whether something had to be repaired.
 */
export async function repair(
  ctx: StepContext,
  stack: Stack,
  project: string,
  known?: readonly Seen[],
): Promise<{ seen: readonly Seen[]; repaired: boolean }> {
  const seen = known ?? (await listContainers(ctx, stack, project))
  const half = leftovers(seen)
  const dir = canonicalPath(stack.dir)
  for (const { replica, old, name } of half) {
    if (old?.status === 'running') await letStopEnd(ctx, dir, old)
    if (name === null) {
      ctx.say(`${replica.name} is left of an interrupted replacement, never started: removed`)
      await docker(ctx, dir, ['rm', replica.id], { quiet: true })
    } else {
      // It may hold the anonymous volumes of the container that is gone.
      ctx.say(`${replica.name} is left of an interrupted replacement: renamed to ${name}`)
      await docker(ctx, dir, ['rename', replica.id, name], { quiet: true })
    }
  }
  return { seen, repaired: half.length > 0 }
}

/**
 * The engine goes on stopping what a compose that is gone has asked it to stop. Until then that container looks as if it
 * ran, and an `up` would leave it alone.
 */
async function letStopEnd(ctx: StepContext, dir: string, old: Seen): Promise<void> {
  const last = await lastEvent(ctx, dir, old.id, { kinds: ['kill', 'die'], format: '{{.Action}}' })
  if (last !== 'kill') return
  ctx.say(`${old.name} is still being stopped: its end is waited for`)
  // However that goes, what comes next finds the container as it is then.
  await ctx.exec({ argv: ['docker', 'wait', old.id], quiet: true, repeatable: true })
}
