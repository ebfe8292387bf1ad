/** The runs in a state folder of this machine. */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { By } from '../engine/events.ts'
import { Failed, type NotCancellable } from '../failure.ts'
import { userHere } from './caller.ts'
import { confirmRun } from './confirmation.ts'
import { blockerOf, byBeginning, lastOf } from './find-run.ts'
import { interruptRunner } from './interruption.ts'
import { readEvents } from './read-journal.ts'
import { mayLive } from './run-status.ts'
import { isHere, machineOf } from './runner-identity.ts'
import type { LogFile, RunReport, RunRow, Runs } from './runs.ts'
import { listRuns, type RunEntry, readRun, runIds } from './runs-folder.ts'
import { logsInOrder } from './step-log-text.ts'
import { storedReport } from './stored-report.ts'
import { watchJournal } from './watch-journal.ts'

const POLL_MS = 250
const CHUNK_BYTES = 64 * 1024

type RunsHere = Runs & {
  entry(runId: string): RunEntry
}

export function runsHere(state: string): RunsHere {
  const where = { place: `in ${state}`, at: '' }
  const entry = (runId: string): RunEntry => {
    const folder = join(state, 'runs', runId)
    const run = readRun(folder)
    if (run !== null) return run
    throw new Failed({ code: 'usage', what: 'not-a-run', folder })
  }
  const list = () => listRuns(state).map(row)
  return {
    ...where,
    entry,
    list: async () => list(),
    find: async (given, verb) =>
      given === 'last' ? lastOf(list(), verb ?? null, where) : byBeginning(given, runIds(state), where),
    report: async runId => reportOf(entry(runId)),
    async wait(runId, withinMs) {
      for (const deadline = Date.now() + withinMs; ; ) {
        const run = entry(runId)
        if (run.status !== 'running') return reportOf(run)
        const left = deadline - Date.now()
        if (left <= 0) return null
        await sleep(Math.min(POLL_MS, left))
      }
    },
    hasEnded: async runId => entry(runId).status !== 'running',
    events: async runId => readEvents(entry(runId).folder),
    watch: (runId, options) => watchJournal(entry(runId).folder, options),
    logs: async runId => logFiles(join(entry(runId).folder, 'steps')),
    readLog: async (runId, name, offset) => readChunk(join(entry(runId).folder, 'steps', name), offset),
    confirm: async (runId, by = userHere()) => confirmRun(entry(runId), by),
    cancel: async (runId, signal, by = userHere()) => signalRunner(entry(runId), signal, by),
    close: () => {},
  }
}

const reportOf = (run: RunEntry): RunReport => ({ ...storedReport(run), status: run.status })

function row(run: RunEntry): RunRow {
  const { report } = storedReport(run)
  const blockedBy = blockerOf(run)
  return {
    runId: run.head.runId,
    outcome: run.status === 'running' ? 'running' : report.outcome,
    success: report.success,
    playbook: run.head.playbook,
    target: run.head.target,
    startedAt: run.head.startedAt,
    durationMs: report.finishedAt === null ? null : report.durationMs,
    folder: run.folder,
    ...(blockedBy === null ? {} : { blockedBy }),
  }
}

function logFiles(folder: string): LogFile[] {
  try {
    return logsInOrder(readdirSync(folder)).map(name => ({ name, bytes: statSync(join(folder, name)).size }))
  } catch {
    return []
  }
}

function readChunk(file: string, offset: number): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    return buffer.subarray(0, readSync(descriptor, buffer, 0, CHUNK_BYTES, offset))
  } finally {
    closeSync(descriptor)
  }
}

function signalRunner({ folder, status, head, report }: RunEntry, signal: 'INT' | 'TERM', by: By): void {
  const { runId, pid } = head
  const refused = (because: NotCancellable) => new Failed({ code: 'not-cancellable', runId, because })
  if (!mayLive(status)) throw refused({ why: report === null ? 'no-runner' : 'has-ended' })
  if (!isHere(head)) throw refused({ why: 'elsewhere', machine: machineOf(head) })
  try {
    interruptRunner(folder, pid, signal, by)
  } catch (error) {
    throw refused({ why: 'not-signalled', pid, detail: (error as Error).message })
  }
}
