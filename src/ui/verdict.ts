/** The first line of the last words: how a run ended, and what was seen that says so. Pure. */
import type { Observation, Outcome } from '../engine/events.ts'
import { plural } from './words.ts'

/** Of a report; what a host of an older release does not report is absent. */
export type Sight = {
  observations?: readonly Observation[]
  rollbackObservations?: readonly Observation[]
  notVerified?: readonly string[]
  rollbackVerified?: boolean | null
  rollbackPerformed?: boolean
  changed?: boolean | null
  beforeSha?: string | null
  beforeBranch?: string | null
  afterSha?: string | null
  afterBranch?: string | null
  services?: readonly { changed?: boolean | undefined }[] | undefined
}

/** What the events say of the way back. */
type WayBack = {
  /** A person has asked for it. */
  isAsked: boolean
  /** Steps that something was undone of. */
  undone: readonly string[]
  failed: readonly string[]
  changed: readonly string[]
}

export function verdict(outcome: Outcome, sight: Sight, way: WayBack): string {
  switch (outcome) {
    case 'succeeded':
      return `Succeeded: ${sight.observations === undefined ? 'done' : succeeded(sight, sight.observations)}`
    case 'unchanged':
      return `Unchanged: ${[...checks(sight.observations), 'there was nothing to do'].join(', ')}`
    case 'planned':
      return 'Planned: nothing was changed'
    case 'started':
      return 'Started: it continues on the host'
    case 'rolled-back':
      return `${rolledBack(sight, way)}${verified(sight, way)}`
    case 'failed-unchanged':
      return `${way.isAsked ? 'Nothing to roll back' : 'Failed: nothing was changed'}${verified(sight, way)}`
    case 'invalid':
      return 'Invalid: nothing was contacted, nothing was executed'
    case 'refused':
      return 'Refused: nothing was changed'
    case 'unreachable':
      return 'Unreachable: nothing was changed'
    case 'rollback-failed':
      return `Rollback failed: ${[...way.failed, differs(sight), 'a person is needed'].filter(Boolean).join(', ')}`
    case 'failed-changed':
      return way.changed.length > 0
        ? `Failed, not rolled back: ${way.changed.join(', ')} changed the host, a person is needed`
        : 'Failed, not rolled back: what it changed was not looked at, a person is needed'
    case 'unknown':
      return 'Unknown: how it ended is not known'
    case 'interrupted':
      return `Interrupted${sight.rollbackPerformed ? `: rolled back${place(sight)}` : ''}${verified(sight, way)}`
  }
}

function rolledBack(sight: Sight, { isAsked, undone }: WayBack): string {
  if (undone.length > 0 || sight.rollbackPerformed)
    return `Rolled back${place(sight)}${isAsked ? ' as asked' : ''}`
  return isAsked ? 'Nothing to roll back with' : 'Failed, nothing to roll back with'
}

function succeeded(sight: Sight, seen: readonly Observation[]): string {
  const passed = checks(seen)
  const looked = passed.length > 0 || seen.length === 0 ? passed : [`${things(seen)} observed`]
  const all = seen.length === 0 ? ['finished; nothing was checked'] : looked
  return [...inVain(sight), ...all, ...moved(sight)].join(', ')
}

/** An upgrade that reached no container is good news about the version before, and about no other. */
function inVain({ beforeSha, afterSha, services = [] }: Sight): string[] {
  const hasMoved = beforeSha && afterSha && beforeSha !== afterSha
  if (!hasMoved || services.length === 0 || services.some(({ changed }) => changed !== false)) return []
  return ['commit moved, nothing that runs has changed']
}

/** `2 of 2 health checks passed` */
function checks(seen: readonly Observation[] = []): string[] {
  return CHECKS.flatMap(({ what, noun }) => {
    const all = seen.filter(each => each.what === what)
    const good = all.filter(({ ok }) => ok).length
    return all.length === 0 ? [] : [`${good} of ${plural(all.length, noun)} passed`]
  })
}

const CHECKS = [
  { what: 'http', noun: 'health check' },
  { what: 'command', noun: 'check command' },
] as const

/** `HEAD, image, 2 health checks`; the files of a checkout are told with its HEAD, and an image once. */
function things(seen: readonly Observation[]): string {
  const checkouts = seen.flatMap(({ what, target }) => (what === 'git-head' ? [target] : []))
  return NOUNS.flatMap(([what, noun]) => {
    const all = seen.filter(each => each.what === what)
    const count = what === 'image' ? new Set(all.map(({ saw }) => saw)).size : all.length
    if (what === 'files' && all.every(({ target }) => checkouts.includes(target))) return []
    return count === 0 ? [] : [count === 1 ? noun : plural(count, noun)]
  }).join(', ')
}

/** The branch is told with HEAD, the state of containers with their image. */
const NOUNS: readonly (readonly [Observation['what'], string])[] = [
  ['git-head', 'HEAD'],
  ['files', 'file check'],
  ['image', 'image'],
  ['http', 'health check'],
  ['command', 'check command'],
]

function moved({ beforeSha, beforeBranch, afterSha, afterBranch }: Sight): string[] {
  if (!beforeSha || !afterSha || beforeSha === afterSha) return []
  const from = beforeBranch ? `${beforeBranch} ` : ''
  const to = afterBranch && afterBranch !== beforeBranch ? `${afterBranch} ` : ''
  return [`${from}${short(beforeSha)} → ${to}${short(afterSha)}`]
}

const place = ({ beforeSha }: Sight) => (beforeSha ? ` to ${short(beforeSha)}` : '')

function verified(
  { rollbackVerified, rollbackObservations = [], notVerified = [] }: Sight,
  way: WayBack,
): string {
  if (rollbackVerified === true) {
    const seen = things(rollbackObservations)
    return seen === '' ? ', verified' : `, verified: ${seen}`
  }
  if (notVerified.length === 0) return ''
  const [blind, stuck] = [true, false].map(undone =>
    notVerified.filter(id => way.undone.includes(id) === undone),
  )
  const parts = [
    ...(blind!.length === 0 ? [] : [`${blind!.join(', ')} ${have(blind!)} no check`]),
    ...(stuck!.length === 0 ? [] : [`${stuck!.join(', ')} ${have(stuck!)} no undo`]),
  ]
  return `, not verified: ${parts.join(', ')}`
}

const have = (ids: readonly string[]) => (ids.length === 1 ? 'has' : 'have')

function differs({ rollbackObservations = [] }: Sight): string {
  const bad = rollbackObservations.filter(({ ok }) => !ok)
  return bad.length === 0 ? '' : `host differs: ${bad.map(difference).join(', ')}`
}

function difference({ what, target, saw }: Observation): string {
  switch (what) {
    case 'git-head':
      return `HEAD is ${short(saw)}`
    case 'git-branch':
      return `branch is ${saw}`
    case 'image':
      return `${target} has image ${short(saw.replace(/^sha256:/, ''))}`
    default:
      return `${target} (${saw})`
  }
}

const short = (id: string) => (/^[0-9a-f]{40,64}$/.test(id) ? id.slice(0, 7) : id)
