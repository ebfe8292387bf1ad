/** The door for an OpenClaw node host on this machine: what it consists of, and what of it is there already. */
import { join } from 'node:path'
import type { FileOwner } from '../../process/write-owned.ts'
import {
  type Change,
  type ChangeLook,
  type ChangeRecord,
  carryOut,
  doneBy,
  isSameThing,
  lookAt,
  undo,
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
  grants: readonly Grant[]
  /** The group that may connect to hostlinkd. */
  group: string
  /** The one that hostlink.conf names; null where it names none. */
  policyFile: string | null
  /** The user of the node host; null where files have no owners of their own. */
  owner: FileOwner | null
  launcher: Buffer
  script: Buffer
  skill: string
  token: string
  /** Null for an OpenClaw whose node host starts no servers. */
  mcp: McpServer | null
  hasService: boolean
}

const ROOT: FileOwner = { uid: 0, gid: 0 }

export function changesFor(door: Door): Change[] {
  const { options } = door
  const places = placesOf(options)
  const { root, node, shared } = ownersOf(door)
  const service = [
    folder(join(places.environment, '..'), 0o755, root),
    kept(file(places.environment, ENVIRONMENT_TEXT, 0o600, root)),
    file(places.unit, nodeUnitText(options, places, door.group), 0o644, root),
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
    folder(join(places.skill, '..'), 0o755, root),
    file(places.skill, door.skill, 0o644, root),
    ...(door.hasService ? service : []),
  ]
}

/** `shared`: root's, and the node host may read it. */
const ownersOf = ({ owner }: Door): { [of in 'root' | 'node' | 'shared']?: FileOwner } =>
  owner === null ? {} : { root: ROOT, node: owner, shared: { ...ROOT, gid: owner.gid } }

type NewFile = Extract<Change, { kind: 'file' }>

const folder = (path: string, mode: number, owner: FileOwner | undefined): Change => ({
  ...{ kind: 'folder', path, mode, owner },
})
const file = (path: string, text: string | Buffer, mode: number, owner: FileOwner | undefined): NewFile => ({
  ...{ kind: 'file', path, bytes: Buffer.from(text), mode, owner },
})
const kept = (made: NewFile): NewFile => ({ ...made, keep: true })

function policyChanges(door: Door, { token, policy }: DoorPlaces): Change[] {
  const { options, grants, policyFile } = door
  const value = { token_file: token, group_readable: true, policy: 'playbooks', playbooks: grants }
  const entry = (path: string): Change => ({
    ...{ kind: 'entry', path, at: ['tokens', TOKEN_NAME], value },
  })
  if (policyFile !== null) return [entry(policyFile)]
  const text =
    '# Who may do what, beside the token of hostlink.conf: examples/openclaw/policy.yaml shows more.\ntokens: {}\n'
  const line: Change = { kind: 'line', path: options.config, line: `policy_file = ${policy}` }
  return [kept(file(policy, text, 0o640, ownersOf(door).root)), entry(policy), line]
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

export const stepsFor = (changes: readonly Change[], done: readonly ChangeRecord[]): InstallStep[] =>
  changes.map(change => {
    const before = done.find(each => isSameThing(each, change))
    return { change, look: lookAt(change, before), done: before }
  })

/** `record` is told all that is to be remembered, after each change. */
export function install(
  steps: readonly InstallStep[],
  before: readonly ChangeRecord[],
  record: (done: ChangeRecord[]) => void,
): Left[] {
  const isStale = (each: ChangeRecord) => !steps.some(({ change }) => isSameThing(change, each))
  const left = uninstall(before.filter(isStale))
  const stayed = left.map(({ done }) => done)
  const done: ChangeRecord[] = []
  for (const [at, step] of steps.entries()) {
    if (step.look.state === 'change') carryOut(step.change)
    const now = step.look.state === 'change' ? doneBy(step.change) : step.done
    if (now !== undefined) done.push(now)
    const ahead = steps.slice(at + 1).flatMap(each => each.done ?? [])
    record([...stayed, ...done, ...ahead])
  }
  return left
}

export type Left = { done: ChangeRecord; why: string }

/** The last first. Answers what was left because it is not as it was put there. */
export const uninstall = (done: readonly ChangeRecord[]): Left[] =>
  done.toReversed().flatMap(each => {
    const why = undone(each)
    return why === null ? [] : [{ done: each, why }]
  })

/** A file that the node's user has put in the way must not keep the token and the grant, which are removed last. */
function undone(done: ChangeRecord): string | null {
  try {
    return undo(done)
  } catch (error) {
    return `cannot be taken away: ${(error as NodeJS.ErrnoException).code ?? error}`
  }
}
