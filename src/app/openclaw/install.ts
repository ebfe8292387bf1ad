/** The door for an OpenClaw node host on this machine: what it consists of, and what of it is there already. */
import { join } from 'node:path'
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
  /** What hostlink.conf names; null where it names none. */
  policyFile: string | null
  /** Of the user of the node host; null where files have no owners of their own. */
  owner: { uid: number; gid: number } | null
  launcher: Buffer
  script: Buffer
  skill: string
  token: string
  /** Null for an OpenClaw whose node host starts no servers. */
  mcp: McpServer | null
  hasService: boolean
}

const ROOT = { uid: 0, gid: 0 }

export function changesFor(door: Door): Change[] {
  const { options, owner, hasService } = door
  const places = placesOf(options)
  const root = owner === null ? undefined : ROOT
  const node = owner ?? undefined
  const forNode = owner === null ? undefined : { uid: 0, gid: owner.gid }
  const folder = (path: string, mode: number, as = root): Change => ({
    kind: 'folder',
    path,
    mode,
    owner: as,
  })
  const file = (path: string, text: string | Buffer, mode: number, as = root): Change => ({
    ...{ kind: 'file', path, bytes: Buffer.from(text), mode, owner: as },
  })
  const service = [
    folder(join(places.environment, '..'), 0o755),
    { ...file(places.environment, ENVIRONMENT_TEXT, 0o600), keep: true } as Change,
    file(places.unit, nodeUnitText(options, places, door.group), 0o644),
  ]
  return [
    folder(options.dir, 0o755),
    file(places.script, door.script, 0o644),
    file(places.launcher, door.launcher, 0o755),
    // hostlinkd's own, which its other tokens may stand in as well.
    folder(join(places.token, '..'), 0o755),
    { ...file(places.token, `${door.token}\n`, 0o640, forNode), keep: true } as Change,
    ...policyChanges(door, places),
    folder(places.home, 0o700, node),
    ...settingsChanges(door, places, node),
    folder(join(places.skill, '../..'), 0o755, node),
    folder(join(places.skill, '..'), 0o755),
    file(places.skill, door.skill, 0o644),
    ...(hasService ? service : []),
  ]
}

function policyChanges({ options, grants, policyFile, owner }: Door, places: DoorPlaces) {
  const value = {
    token_file: places.token,
    group_readable: true,
    policy: 'playbooks',
    playbooks: grants,
  }
  const entry = (path: string): Change => ({
    ...{ kind: 'entry', path, at: ['tokens', TOKEN_NAME], value },
  })
  if (policyFile !== null) return [entry(policyFile)]
  const text =
    '# Who may do what, beside the token of hostlink.conf: examples/openclaw/policy.yaml shows more.\ntokens: {}\n'
  const root = owner === null ? undefined : ROOT
  const made: Change = {
    ...{ kind: 'file', path: places.policy, bytes: Buffer.from(text), mode: 0o640, owner: root, keep: true },
  }
  const line: Change = { kind: 'line', path: options.config, line: `policy_file = ${places.policy}` }
  return [made, entry(places.policy), line]
}

function settingsChanges(
  { mcp }: Door,
  { openclawConfig: path }: DoorPlaces,
  owner: { uid: number; gid: number } | undefined,
): Change[] {
  if (mcp === null) return []
  const bytes = Buffer.from(`${JSON.stringify(NODE_SETTINGS, null, 2)}\n`)
  return [
    { kind: 'file', path, bytes, mode: 0o600, owner, keep: true },
    { kind: 'entry', path, at: ['nodeHost', 'mcp', 'servers', 'hostops'], value: mcp },
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
    const why = undo(each)
    return why === null ? [] : [{ done: each, why }]
  })
