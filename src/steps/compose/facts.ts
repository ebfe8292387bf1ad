/** What the report says of a stack. */

import type { Facts, ServiceFact, StepContext } from '../contract/step.ts'
import type { KeptImage } from './image-pins.ts'
import { type DiskSeen, freeBytes } from './saved-files.ts'
import type { Replica } from './stability.ts'

/** One entry for each service that was there before or is there now; the worst replica speaks for all of them. */
export function serviceFacts(
  before: readonly KeptImage[],
  now: readonly Replica[],
  names: readonly string[],
  filesChanged: (name: string) => boolean,
): ServiceFact[] {
  return names.map(name => {
    const replicas = now.filter(replica => replica.service === name)
    const worst = replicas.find(replica => replica.status !== 'running') ?? replicas[0]
    const known = before.find(image => image.service === name)
    const isAnother = ({ image, config }: Replica) =>
      image !== known?.running[0] || (known.config !== undefined && config !== known.config)
    return {
      name,
      imageBefore: known?.running[0] ?? null,
      imageAfter: worst?.image ?? null,
      replicas: replicas.length,
      restarts: replicas.reduce((sum, replica) => sum + replica.restarts, 0),
      state: worst?.status ?? null,
      exitCode: worst === undefined || worst.status === 'running' ? null : worst.exitCode,
      changed:
        filesChanged(name) || replicas.length !== (known?.running.length ?? 0) || replicas.some(isAnother),
    }
  })
}

export async function diskFacts(ctx: StepContext, disk: DiskSeen | null): Promise<Facts> {
  if (disk === null) return {}
  return { diskFreeBytes: { before: disk.freeBytes, after: await freeBytes(ctx, disk.root) } }
}
