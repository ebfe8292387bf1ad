/** What was looked at in a run and, apart, on its way back: of each thing the last look. Pure. */
import type { Event, Facts, Observation } from '../engine/events.ts'
import type { Failure } from '../failure.ts'

type Saw = Extract<Event, { type: 'saw' }>
type HealthSeen = { healthz: boolean | null; readyz: boolean | null }

export type Looks = {
  run: Map<string, Observation>
  rollback: Map<string, Observation>
  /** Of the polls on the way back. */
  health: HealthSeen | null
  watchedSeconds: number | null
}

export const noLooks = (): Looks => ({
  run: new Map(),
  rollback: new Map(),
  health: null,
  watchedSeconds: null,
})

export function addLook(looks: Looks, { id, movement, what, target, saw, ok }: Saw): void {
  if (movement !== null && movement !== 'verify') return
  const kept = movement === null ? looks.run : looks.rollback
  const key = JSON.stringify([id, what, target])
  kept.delete(key)
  kept.set(key, { what, target, saw, ok })
}

export function goBack(looks: Looks): void {
  looks.rollback = new Map()
  looks.health = null
}

export function addHealth(looks: Looks, { healthz, readyz }: Facts): void {
  if (healthz === undefined && readyz === undefined) return
  const before = looks.health ?? { healthz: null, readyz: null }
  looks.health = { healthz: healthz ?? before.healthz, readyz: readyz ?? before.readyz }
}

/** Each attempt of a step watches for itself: these are added, not merged. */
export function addWatch(looks: Looks, seconds: number | undefined): void {
  if (seconds === undefined) return
  looks.watchedSeconds = Math.round(((looks.watchedSeconds ?? 0) + seconds) * 1000) / 1000
}

/** A step that failed has seen something too: the tree that is dirty, which of the two endpoints is the bad one. */
export function seenBy(failure: Failure): Facts {
  if (failure.code === 'dirty-tree') return { dirtyRepo: true, repoPath: failure.repo }
  if (failure.code === 'powers-added')
    return { powersAdded: failure.powers.map(each => ({ ...each, allowed: false })) }
  if (failure.code !== 'unhealthy' && failure.code !== 'not-stable') return {}
  const { probes = [] } = failure
  const good = (end: string) => {
    const those = probes.filter(probe => new URL(probe.url).pathname.endsWith(end))
    return those.length === 0 ? null : those.every(probe => probe.ok)
  }
  const [healthz, readyz] = [good('/healthz'), good('/readyz')]
  const failedService = failure.code === 'not-stable' ? failure.failedService : undefined
  return {
    ...(healthz === null ? {} : { healthz }),
    ...(readyz === null ? {} : { readyz }),
    ...(failedService === undefined ? {} : { failedService }),
  }
}
