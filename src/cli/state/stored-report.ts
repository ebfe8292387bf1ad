/** The report of a run that this machine knows: the stored one, or what its journal tells so far. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Event } from '../../engine/events.ts'
import { JOURNAL_VERSION } from '../../engine/journal.ts'
import { parseJournal } from '../../engine/recover.ts'
import type { RunEnd } from '../../engine/running.ts'
import { addEvent, emptyDraft, type ReportDraft, toReport } from '../../report/build.ts'
import type { Report } from '../../report/schema.ts'
import { exitCode } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { resultLine } from '../result-line.ts'
import { neverBegan } from './kept-run.ts'
import { isSettled, type RunEntry } from './state.ts'

export type StoredReport = { report: Report; exitCode: number }

export function storedReport(run: RunEntry): StoredReport {
  if (run.report && !run.alive) return { report: run.report, exitCode: codeOf(run, run.report) }
  const draft = draftFromJournal(run)
  if (neverBegan(run)) draft.end = { type: 'run-finished', ...notBegun(run.head.runId) }
  const report = toReport(draft, null)
  if (draft.end && !run.alive) return { report, exitCode: exitCode(report.outcome, draft.end.failure) }
  const outcome = run.alive ? 'started' : 'unknown'
  return { report: { ...report, outcome, success: null, changed: null }, exitCode: exitCode(outcome, null) }
}

/** By the report, which is written first: a runner may have died before it could note its exit code. */
function codeOf({ folder, head }: RunEntry, { outcome }: Report): number {
  if (outcome !== 'interrupted') return exitCode(outcome, null)
  const end = journalEvents(folder).findLast(event => event.type === 'run-finished')
  return end ? exitCode(outcome, end.failure) : (head.exitCode ?? exitCode(outcome, null))
}

/** The line that the run ended with, or what is known so far; what can be done about it is for people. */
export function printReport(run: RunEntry, io: Io): number {
  const { report, exitCode } = storedReport(run)
  const { runId } = run.head
  if (run.alive) io.stderr.write(`${runId} is still running\nhint: hostops wait ${runId}\n`)
  else if (!isSettled(run) && report.success !== true && !neverBegan(run)) {
    io.stderr.write(
      `hint: hostops resume ${runId} goes on with it, hostops rollback ${runId} takes it back\n`,
    )
  }
  io.stdout.write(resultLine(report))
  return exitCode
}

export const notBegun = (runId: string): RunEnd => ({
  outcome: 'failed-unchanged',
  failedStep: null,
  failure: { code: 'not-begun', runId },
})

export function draftFromJournal({ folder, head }: RunEntry): ReportDraft {
  const { runId, playbook, target, dryRun } = head
  const draft = emptyDraft({ runId, playbook, target, dryRun, startedAt: Date.parse(head.startedAt) })
  for (const event of journalEvents(folder)) addEvent(draft, event)
  return draft
}

function journalEvents(folder: string): Event[] {
  try {
    return parseJournal(readFileSync(join(folder, 'journal.ndjson'), 'utf8'), JOURNAL_VERSION).events
  } catch {
    return []
  }
}
