/**
 * The state folder: `runs/<run id>/` with `run.json` (who runs it), `report.json` (the end, once there is one),
 * and, once the engine has begun, `journal.ndjson` and one log per step.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { OUTCOMES } from '../engine/events.ts'
import type { Failure } from '../failure.ts'
import { renameOver } from '../process/replace.ts'
import type { Surroundings } from '../process/surroundings.ts'
import { userStateFolder } from '../process/user-folders.ts'
import type { Report } from '../report/report-schema.ts'
import { isHostlink } from '../transport/target.ts'
import { JOURNAL_VERSION, parseJournal } from './journal-text.ts'
import { journalFile } from './read-journal.ts'
import { mayLive, type RunStatus, type RunTraces, statusOf } from './run-status.ts'
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

export type RunEntry = {
  folder: string
  head: RunHead
  report: Report | null
  status: RunStatus
}

export const DEFAULT_KEEP: Keep = { runs: 50, days: 90 }

export function stateDir({ env, cwd }: Surroundings, fromSettings: string | undefined): string {
  const given = env['HOSTOPS_STATE_DIR'] || fromSettings
  return given ? resolve(cwd, given) : userStateFolder(env)
}

/** Without waiting for the disk: what a power cut must not take is in the journal and the report. */
export function writeHead(folder: string, head: RunHead): void {
  const temporary = join(folder, '.run.json')
  writeFileSync(temporary, headText(head), { mode: 0o600 })
  renameOver(temporary, join(folder, 'run.json'))
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
  const runner = head.exitCode === undefined ? livenessOf(head, folder) : 'dead'
  const journal = runner === 'dead' && isJournalNeeded(report) ? journalIn(folder) : 'written'
  return { folder, head, report, status: statusOf({ runner, report, journal }) }
}

/** Reading it for every run that has ended would take too long. */
const isJournalNeeded = (report: Report | null): boolean => report === null || report.outcome === 'invalid'

function journalIn(folder: string): RunTraces['journal'] {
  let bytes: Buffer
  try {
    bytes = readFileSync(journalFile(folder))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : 'written'
  }
  const { entries, newer } = parseJournal(bytes)
  // The log of a step comes after the first line of the journal.
  const isBlank = entries.length === 0 && !newer && isBeginning(bytes) && !existsSync(join(folder, 'steps'))
  return isBlank ? 'blank' : 'written'
}

/** A first line that was not written to its end. Anything else was a journal once. */
function isBeginning(bytes: Buffer): boolean {
  const written = bytes.toString().replace(/[\0\s]+$/, '')
  return (
    FIRST_WORDS.some(words => words.startsWith(written.slice(0, words.length))) && !written.includes('\n')
  )
}

const FIRST_WORDS = Array.from({ length: JOURNAL_VERSION }, (_, at) => `{"v":${at + 1},"seq":1,`)

/** What no runner has written is no end: the journal tells how far it came. */
function readReport(folder: string): Report | null {
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

/** Its end is not known here, but a daemon may know it. */
export const mayBeAsked = ({ status, head, report }: RunEntry): boolean =>
  !mayLive(status) && (report === null || report.outcome === 'unknown') && isHostlink(head.target ?? '')

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

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
