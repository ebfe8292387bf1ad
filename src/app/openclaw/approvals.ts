/**
 * OpenClaw's own list of what may be executed on the node. It is read and written by OpenClaw's program, because where it
 * is kept depends on the version: a file, whose mere existence stops a later version, or a database.
 */
import { spawnSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import { recordOf } from '../../document/is-record.ts'
import { parseJson } from '../../document/json.ts'
import { findUser } from '../../hostlink/daemon/config/user.ts'
import type { FileOwner } from '../../process/write-owned.ts'
import { CLOSED_APPROVALS, type DoorOptions } from './layout.ts'

type Rules = { security?: string; ask?: string; askFallback?: string; autoAllowSkills?: boolean }
type Listed = { pattern?: string; argPattern?: string }
export type Approvals = {
  version?: number
  defaults?: Rules
  agents?: Record<string, Rules & { allowlist?: Listed[] }>
}

/** The user that OpenClaw's program is started as, and where it keeps its state. */
type AsNode = { openclaw: string; state: string; owner: FileOwner }

const WITHIN_MS = 60_000

/** Null if there is no such user. */
export function asNode({ openclaw, state, user, root }: DoorOptions): AsNode | null {
  const owner = root === '' ? findUser(user) : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  return owner === null ? null : { openclaw, state, owner: { uid: owner.uid, gid: owner.gid } }
}

/** A text: why they are not known. */
export function readApprovals(as: AsNode): Approvals | string {
  const { said, failed } = openclaw(as, ['approvals', 'get', '--json'])
  if (failed !== null) return failed
  const { file } = recordOf(parseJson(said.slice(said.indexOf('{'))))
  return typeof file === 'object' && file !== null
    ? file
    : 'what openclaw approvals get --json prints is not known'
}

/** A text: why they were not written. `ours`: those that hostops wrote before. */
export function openApprovals(options: DoorOptions, wanted: Approvals, ours: object | null): string | null {
  const as = asNode(options)
  if (as === null) return 'its user is not there'
  const there = readApprovals(as)
  if (typeof there === 'string') return there
  const known = [{}, CLOSED_APPROVALS, ...(ours === null ? [] : [ours])]
  if (known.some(each => isSameList(there, each))) return writeApprovals(as, wanted)
  return 'there are approvals already, which hostops has not written'
}

/** False if they were left as they are: because they are not `ours` any more, or cannot be written. */
export function closeApprovals(options: DoorOptions, ours: object): boolean {
  const as = asNode(options)
  const there = as === null ? '' : readApprovals(as)
  if (as === null || typeof there === 'string' || !isSameList(there, ours)) return false
  return writeApprovals(as, CLOSED_APPROVALS) === null
}

/** A text: why they could not be written. */
const writeApprovals = (as: AsNode, approvals: Approvals): string | null =>
  openclaw(as, ['approvals', 'set', '--stdin'], JSON.stringify(approvals)).failed

/** OpenClaw adds what was used last, and leaves out what is empty. */
const isSameList = (a: object, b: object): boolean => isDeepStrictEqual(bare(a), bare(b))

function bare({ defaults = {}, agents = {} }: Approvals) {
  return {
    defaults: rulesOf(defaults),
    agents: Object.fromEntries(
      Object.entries(agents).map(([agent, { allowlist = [], ...rules }]) => [
        agent,
        { rules: rulesOf(rules), list: allowlist.map(({ pattern, argPattern }) => [pattern, argPattern]) },
      ]),
    ),
  }
}

const rulesOf = ({ security, ask, askFallback, autoAllowSkills }: Rules) => [
  ...[security ?? null, ask ?? null, askFallback ?? null],
  autoAllowSkills ?? false,
]

function openclaw({ openclaw: program, state, owner }: AsNode, args: string[], input = '') {
  const { PATH } = process.env
  const env = { PATH, HOME: state, OPENCLAW_STATE_DIR: state, NO_COLOR: '1' }
  const isOther = process.geteuid?.() === 0
  const ran = spawnSync(program, args, {
    ...{ env, input, cwd: '/', encoding: 'utf8', timeout: WITHIN_MS },
    ...(isOther ? owner : {}),
  })
  const last = (ran.stderr || ran.stdout || '').trim().split('\n').at(-1)
  const failed = ran.error?.message ?? (ran.status === 0 ? null : `openclaw ${args[0]} ${args[1]}: ${last}`)
  return { said: ran.stdout ?? '', failed }
}
