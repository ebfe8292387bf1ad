/**
 * OpenClaw's own list of what may be executed on the node. It is read and written by OpenClaw's program, because where it
 * is kept depends on the version: a file, whose mere existence stops a later version, or a database.
 */
import { spawnSync } from 'node:child_process'
import { isDeepStrictEqual } from 'node:util'
import { recordOf } from '../../document/is-record.ts'
import { parseJson } from '../../document/json.ts'
import { quietly } from '../../process/quietly.ts'
import type { NodeUser } from './install.ts'

type Rules = { security?: string; ask?: string; askFallback?: string; autoAllowSkills?: boolean }
type Listed = { pattern?: string; argPattern?: string }
export type Approvals = {
  version?: number
  defaults?: Rules
  agents?: Record<string, Rules & { allowlist?: Listed[] }>
}

/** OpenClaw's program, the user that it is started as, and where it keeps its state. */
type NodeProgram = { openclaw: string | null; state: string; node: NodeUser }

const WITHIN_MS = 60_000

/** A text: why they are not known. */
export function readApprovals(program: NodeProgram): Approvals | string {
  const { said, failed } = openclaw(program, ['approvals', 'get', '--json'])
  if (failed !== null) return failed
  const { file } = recordOf(parseJson(said.slice(said.indexOf('{'))))
  return typeof file === 'object' && file !== null
    ? file
    : 'what openclaw approvals get --json prints is not known'
}

/**
 * Replaces the approvals by `wanted` if they are among `ours`, which are those that hostops may have written before. A text:
 * why they were left as they are.
 */
export function replaceApprovals(
  program: NodeProgram,
  wanted: Approvals,
  ours: readonly object[],
): string | null {
  const there = readApprovals(program)
  if (typeof there === 'string') return there
  if (!ours.some(each => isSameList(there, each))) return 'there are approvals that hostops has not written'
  return openclaw(program, ['approvals', 'set', '--stdin'], JSON.stringify(wanted)).failed
}

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

/** Alone: the program is the node's user's, who could type at root's terminal from there, or never end. */
function openclaw({ openclaw: program, state, node }: NodeProgram, args: string[], input = '') {
  if (program === null) return { said: '', failed: 'there is no program openclaw' }
  if (node === 'missing') return { said: '', failed: 'the user of the node host does not exist' }
  const { PATH } = process.env
  const env = { PATH, HOME: state, OPENCLAW_STATE_DIR: state, NO_COLOR: '1' }
  const ran = spawnSync(program, args, {
    ...{ env, input, cwd: '/', encoding: 'utf8', timeout: WITHIN_MS, killSignal: 'SIGKILL', detached: true },
    ...(node === 'self' ? {} : { uid: node.uid, gid: node.gid }),
  })
  // Its answer is complete, so processes that it has left behind must not hold our files or the terminal.
  if (ran.pid > 0) quietly(() => process.kill(-ran.pid, 'SIGKILL'))
  const last = (ran.stderr || ran.stdout || '').trim().split('\n').at(-1)
  const failed = ran.error?.message ?? (ran.status === 0 ? null : `openclaw ${args[0]} ${args[1]}: ${last}`)
  return { said: ran.stdout ?? '', failed }
}
