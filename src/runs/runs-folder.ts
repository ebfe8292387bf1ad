/**
 * The state folder: `runs/<run id>/` with `run.json` (who runs it), `report.json` (the end, once there is one),
 * and, once the engine has begun, `journal.ndjson` and one log per step.
 */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { OUTCOMES } from '../engine/events.ts'
import type { Failure } from '../failure.ts'
import type { Report } from '../report/schema.ts'
import { isHostlink } from '../transport/target.ts'
import { livenessOf, type RunnerPlace } from './runner-identity.ts'

export type RunHead = {
  runId: string
  playbook: string | null
  target: string | null
  dryRun: boolean
  startedAt: string
  /** Of the ended run, so that a report read later ends with the same code. Absent: a runner has it. */
  exitCode?: number
  /** Short hash of plan.json, where the journal is of version 1 and does not say it. */
  planHash?: string
} & RunnerPlace

/** `alive`: not proven dead; `unseen`: nor proven to live. */
export type RunEntry = {
  folder: string
  head: RunHead
  report: Report | null
  alive: boolean
  unseen: boolean
}

export const DEFAULT_KEEP: Keep = { runs: 50, days: 90 }

/** What of this process says where its files are. */
type Surroundings = { env: Readonly<Record<string, string | undefined>>; cwd: string }

export function stateDir({ env, cwd }: Surroundings, fromSettings: string | undefined): string {
  const given = env['HOSTOPS_STATE_DIR'] || fromSettings
  if (given) return resolve(cwd, given)
  const xdg = env['XDG_STATE_HOME']
  return join(xdg && isAbsolute(xdg) ? xdg : join(homeOf(env), '.local', 'state'), 'hostops')
}

/** Of a user without a home (a number given to a container) it is where nothing can be written, which is told. */
function homeOf({ HOME: home }: Surroundings['env']): string {
  if (home && isAbsolute(home)) return home
  try {
    return userInfo().homedir
  } catch {
    return '/'
  }
}

/** Without waiting for the disk: what a power cut must not take is in the journal and the report. */
export function writeHead(folder: string, head: RunHead): void {
  const temporary = join(folder, '.run.json')
  writeFileSync(temporary, headText(head), { mode: 0o600 })
  renameSync(temporary, join(folder, 'run.json'))
}

export const headText = (head: RunHead) => `${JSON.stringify(head)}\n`

export const unwritable = (path: string, error: unknown): Failure => ({
  code: 'state-unwritable',
  path,
  problem: error instanceof Error ? error.message : String(error),
})

/** The newest first. A folder that cannot be read is no run. */
export function listRuns(state: string): RunEntry[] {
  return runIds(state)
    .flatMap(id => readRun(join(state, 'runs', id)) ?? [])
    .sort((a, b) => compare(b.head.startedAt, a.head.startedAt) || compare(b.head.runId, a.head.runId))
}

export function readRun(folder: string): RunEntry | null {
  const written = readJson<RunHead>(join(folder, 'run.json'))
  const head = typeof written?.runId === 'string' ? written : headFromJournal(folder)
  if (head === null) return null
  const report = readReport(folder)
  // Whoever goes on with a run that has a report is its runner until it has written another.
  const liveness = head.exitCode === undefined ? livenessOf(head, folder) : 'dead'
  return { folder, head, report, alive: liveness !== 'dead', unseen: liveness === 'unseen' }
}

/** What no runner has written is no end: the journal tells how far it came. */
export function readReport(folder: string): Report | null {
  const report = readJson<Report>(join(folder, 'report.json'))
  return report !== null && OUTCOMES.includes(report.outcome) ? report : null
}

/** A power cut may take run.json, which nobody waits for; what is on the disk by then is the journal. */
function headFromJournal(folder: string): RunHead | null {
  try {
    const [line = ''] = readFileSync(join(folder, 'journal.ndjson'), 'utf8').split('\n', 1)
    const { type, at, runId, playbook, target } = JSON.parse(line)
    if (type !== 'run-started') return null
    return { runId, playbook, target, dryRun: false, startedAt: at, pid: NO_PROCESS, pidStarted: null }
  } catch {
    return null
  }
}

const NO_PROCESS = 0

/** Its end is known for good; any other may still have to be finished or taken back. */
export const isSettled = ({ report }: Pick<RunEntry, 'report'>): boolean =>
  report !== null && report.outcome !== 'unknown' && report.errorCode !== 'half-way'

/** Nobody here knows its end, and a daemon may. */
export const mayBeAsked = ({ alive, head, report }: RunEntry): boolean =>
  !alive && (report === null || report.outcome === 'unknown') && isHostlink(head.target ?? '')

export type Found = { ok: true; run: RunEntry } | { ok: false; failure: Failure }

/** By id, or by an unambiguous beginning of one. */
export function findRun(state: string, given: string): Found {
  const ids = runIds(state)
  const matches = ids.includes(given) ? [given] : ids.filter(id => given !== '' && id.startsWith(given))
  if (matches.length > 1) {
    return notFound(
      `"${given}" is the beginning of ${matches.length} runs: ${matches.slice(0, 5).join(', ')}`,
    )
  }
  const [id] = matches
  if (id === undefined) return notFound(`no run "${given}" in ${state}`)
  const folder = join(state, 'runs', id)
  const run = readRun(folder)
  return run ? { ok: true, run } : notFound(`what ${folder} holds does not tell of a run`, 'look into it')
}

/** How many ended runs stay, and for how long. */
export type Keep = { runs: number; days: number }

export function runIds(state: string): string[] {
  try {
    return readdirSync(join(state, 'runs'), { withFileTypes: true })
      .filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(entry => entry.name)
  } catch {
    return []
  }
}

function readJson<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    return null
  }
}

const LISTS = 'hostops runs   lists them; those of a host: hostops runs --target hostlink'

const notFound = (problem: string, hint = LISTS): Found => ({
  ok: false,
  failure: { code: 'usage', problem, hint },
})

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
