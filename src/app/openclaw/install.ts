/** The door for an OpenClaw node host on this machine: what it consists of, and what of it is there already. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { commandMistake } from '../../failure.ts'
import { asUser } from '../../process/as-user.ts'
import type { FileOwner } from '../../process/write-owned.ts'
import {
  type Change,
  type ChangeLook,
  type ChangeRecord,
  carryOut,
  isSameThing,
  lookAt,
  recordFor,
  undo,
  withBefore,
} from './changes.ts'
import type { Grant } from './grant.ts'
import {
  type DoorOptions,
  type DoorPlaces,
  ENVIRONMENT_TEXT,
  type McpServer,
  NODE_SETTINGS,
  nodeUnitText,
  placesOf,
  TOKEN_NAME,
} from './layout.ts'

export type Door = {
  options: DoorOptions
  /** The program `openclaw`. */
  openclaw: string
  grants: readonly Grant[]
  /** The names of inputs whose values are never printed. */
  secrets: readonly string[]
  /** The group that may connect to hostlinkd. */
  group: string
  node: NodeUser
  launcher: Buffer
  script: Buffer
  skill: string
  token: string
  /** Null for an OpenClaw whose node host starts no servers. */
  mcp: McpServer | null
  hasService: boolean
}

/** The user of the node host. `self`: hostops is not root's, and all of it belongs to who runs it. */
export type NodeUser = FileOwner | 'missing' | 'self'

const ROOT: FileOwner = { uid: 0, gid: 0 }

export function changesFor(door: Door): Change[] {
  const { options } = door
  const places = placesOf(options)
  const { root, node, shared } = ownersOf(door)
  const service = [
    folder(join(places.environment, '..'), 0o755, root),
    kept(file(places.environment, ENVIRONMENT_TEXT, 0o600, root)),
    file(places.unit, nodeUnitText(options, door.openclaw, door.group), 0o644, root),
  ]
  return [
    folder(options.dir, 0o755, root),
    file(places.script, door.script, 0o644, root),
    file(places.launcher, door.launcher, 0o755, root),
    // hostlinkd's own, which may hold its other tokens as well.
    folder(join(places.token, '..'), 0o755, root),
    kept(file(places.token, `${door.token}\n`, 0o640, shared)),
    ...policyChanges(door, places),
    folder(places.home, 0o700, node),
    ...settingsChanges(door, places),
    folder(join(places.skill, '../..'), 0o755, node),
    folder(join(places.skill, '..'), 0o755, node),
    file(places.skill, door.skill, 0o644, node),
    ...(door.hasService ? service : []),
  ]
}

/** `shared`: root's, and the node host may read it. */
function ownersOf({ node }: Door): { [of in 'root' | 'node' | 'shared']?: FileOwner } {
  if (node === 'self') return {}
  return node === 'missing' ? { root: ROOT } : { root: ROOT, node, shared: { ...ROOT, gid: node.gid } }
}

type NewFile = Extract<Change, { kind: 'file' }>

const folder = (path: string, mode: number, owner: FileOwner | undefined): Change => ({
  ...{ kind: 'folder', path, mode, owner },
})
const file = (path: string, text: string | Buffer, mode: number, owner: FileOwner | undefined): NewFile => ({
  ...{ kind: 'file', path, bytes: Buffer.from(text), mode, owner },
})
const kept = (made: NewFile): NewFile => ({ ...made, keep: true })

/** A file of its own, so that nobody's policy is edited. JSON is YAML. */
function policyChanges(door: Door, { token, policy }: DoorPlaces): Change[] {
  const entry = { token_file: token, group_readable: true, policy: 'playbooks', playbooks: door.grants }
  const text = `# Written by hostops openclaw install.\n${JSON.stringify({ tokens: { [TOKEN_NAME]: entry } }, null, 2)}\n`
  return [
    file(policy, text, 0o640, ownersOf(door).root),
    { kind: 'line', path: door.options.config, line: `policy_file = ${policy}` },
  ]
}

function settingsChanges(door: Door, { openclawConfig: path }: DoorPlaces): Change[] {
  const { mcp: value } = door
  if (value === null) return []
  return [
    kept(file(path, `${JSON.stringify(NODE_SETTINGS, null, 2)}\n`, 0o600, ownersOf(door).node)),
    { kind: 'entry', path, at: ['nodeHost', 'mcp', 'servers', 'hostops'], value },
  ]
}

export type InstallStep = { change: Change; look: ChangeLook; done: ChangeRecord | undefined }

export const stepsFor = (door: Door, done: readonly ChangeRecord[]): InstallStep[] =>
  changesFor(door).map(change => {
    const before = done.find(each => isSameThing(each, change))
    return { change, look: looked(door, change, before), done: before }
  })

function looked(door: Door, change: Change, before: ChangeRecord | undefined): ChangeLook {
  if (door.node === 'missing' && isOfNode(door, change.path)) return { state: 'change' }
  try {
    return byOwner(door, change.path, () => lookAt(change, before))
  } catch (error) {
    return { state: 'blocked', why: `cannot be read: ${reasonOf(error)}` }
  }
}

type Place = Pick<Door, 'options' | 'node'>

const isOfNode = ({ options }: Place, path: string): boolean => path.startsWith(`${options.state}/`)

/** The node's user can put links in the way below the state folder, so changes there have that user's rights only. */
function byOwner<T>(place: Place, path: string, work: () => T): T {
  if (place.node === 'self' || !isOfNode(place, path)) return work()
  if (place.node === 'missing') throw new Error(`there is no user ${place.options.user}`)
  return asUser(place.node, work)
}

/** `record` is told all that is to be remembered, before each change and after the last: a death loses nothing of it. */
export function install(
  door: Door,
  steps: readonly InstallStep[],
  before: readonly ChangeRecord[],
  record: (done: ChangeRecord[]) => void,
): Left[] {
  const isStale = (each: ChangeRecord) => !steps.some(({ change }) => isSameThing(change, each))
  const left = uninstall(door, before.filter(isStale))
  const stayed = left.map(({ done }) => done)
  const done: ChangeRecord[] = []
  for (const [at, step] of steps.entries()) {
    if (step.look.state === 'change') {
      const now = recordFor(step.change)
      const ahead = steps.slice(at + 1).flatMap(each => each.done ?? [])
      record([...stayed, ...done, withBefore(now, step.done), ...ahead])
      make(door, step.change)
      done.push(now)
    } else if (step.done !== undefined) done.push(step.done)
  }
  record([...stayed, ...done])
  return left
}

function make(door: Door, change: Change): void {
  try {
    byOwner(door, change.path, () => carryOut(change))
  } catch (error) {
    throw commandMistake(
      `${change.path} cannot be written: ${reasonOf(error)}`,
      'fix that, then run the same command again',
    )
  }
}

export type Left = { done: ChangeRecord; why: string }

/** The last first. Answers what was left because it is not as it was put there. */
export const uninstall = (place: Place, done: readonly ChangeRecord[]): Left[] =>
  done.toReversed().flatMap(each => {
    const why = undone(place, each)
    return why === null ? [] : [{ done: each, why }]
  })

/** A file that the node's user has put in the way must not keep the token and the grant, which are removed last. */
function undone(place: Place, done: ChangeRecord): string | null {
  try {
    if (place.node === 'missing' && lstatSync(done.path, { throwIfNoEntry: false }) === undefined) return null
    return byOwner(place, done.path, () => undo(done))
  } catch (error) {
    return `cannot be removed: ${reasonOf(error)}`
  }
}

const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).message
