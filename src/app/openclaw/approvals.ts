/**
 * OpenClaw's own list of what may be executed on the node. It is read and written by OpenClaw's program, because where it
 * is kept depends on the version: a file, whose mere existence stops a later version, or a database.
 */
import { spawnSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import { quietly } from '../../process/quietly.ts'
import { CLOSED_APPROVALS } from './layout.ts'

/** Whom OpenClaw's program is to be started as, and where it keeps its state. */
export type AsNode = { openclaw: string; state: string; owner: { uid: number; gid: number } }

const WITHIN_MS = 60_000

/** A text: why they are not known. */
export function readApprovals(as: AsNode): object | string {
  const { said, failed } = openclaw(as, ['approvals', 'get', '--json'])
  if (failed !== null) return failed
  const snapshot = quietly(() => JSON.parse(said.slice(said.indexOf('{')))) as { file?: unknown } | undefined
  const file = snapshot?.file
  return typeof file === 'object' && file !== null
    ? file
    : 'what openclaw approvals get --json prints is not known'
}

/** A text: why they could not be written. */
export const writeApprovals = (as: AsNode, approvals: object): string | null =>
  openclaw(as, ['approvals', 'set', '--stdin'], JSON.stringify(approvals)).failed

/** Nobody has written any but hostops: `ours` are what it wrote before. */
export const mayReplace = (there: object, ours: object | null): boolean =>
  [{}, CLOSED_APPROVALS, ...(ours === null ? [] : [ours])].some(known => isSameList(there, known))

/** OpenClaw adds what was used last, and leaves out what is empty. */
export const isSameList = (a: object, b: object): boolean => isDeepStrictEqual(bare(a), bare(b))

type Rules = { security?: string; ask?: string; askFallback?: string; autoAllowSkills?: boolean }
type Listed = { pattern?: string; argPattern?: string }
type File = { defaults?: Rules; agents?: Record<string, Rules & { allowlist?: Listed[] }> }

function bare({ defaults = {}, agents = {} }: File) {
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
