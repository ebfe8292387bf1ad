/** What was looked at of a stack, as observations. */
import type { StepContext } from '../contract/step.ts'
import type { Replica, ReplicaProblem } from './stability.ts'

/** Which image each service runs, and how often it was restarted. */
export function sawReplicas(
  ctx: StepContext,
  replicas: readonly Replica[],
  problems: readonly Pick<ReplicaProblem, 'service'>[] = [],
): void {
  for (const service of new Set(replicas.map(replica => replica.service))) {
    const own = replicas.filter(replica => replica.service === service)
    const restarts = own.reduce((sum, replica) => sum + replica.restarts, 0)
    const ok = !problems.some(problem => problem.service === service)
    const images = [...new Set(own.map(replica => replica.image.slice(7, 19)))].sort().join(', ')
    ctx.saw({ what: 'image', target: service, saw: images, ok: true })
    ctx.saw({ what: 'restarts', target: service, saw: `${restarts}`, ok })
  }
}
