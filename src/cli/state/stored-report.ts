/** The report of a run that this machine knows: the stored one, or what its journal tells so far. */
import type { RunEnd } from '../../engine/run-input.ts'
import type { Failure, FailureCode } from '../../failure.ts'
import { addEvent, emptyDraft, type ReportDraft, toReport } from '../../report/build.ts'
import type { Report } from '../../report/schema.ts'
import { readEvents } from '../../runs/read-journal.ts'
import { machineOf } from '../../runs/runner-identity.ts'
import { isSettled, type RunEntry } from '../../runs/runs-folder.ts'
import { neverBegan } from '../../runs/stored-plan.ts'
import { printable } from '../../ui/printable.ts'
import { makeSummary } from '../../ui/summary.ts'
import { goOn } from '../../wording/run.ts'
import { sentence } from '../../wording/word.ts'
import { exitCode } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { resultLine } from '../result-line.ts'

type StoredReport = { report: Report; exitCode: number }

export function storedReport(run: RunEntry): StoredReport {
  if (run.report && !run.alive) return { report: run.report, exitCode: codeOf(run, run.report) }
  const draft = draftFromJournal(run)
  if (neverBegan(run)) draft.end = { type: 'run-finished', ...notBegun(run.head.runId) }
  if (!run.alive || run.unseen) {
    draft.end ??= {
      ...{ type: 'run-finished', outcome: 'unknown', failedStep: null },
      failure: run.unseen ? runnerUnseen(run) : runnerGone(run.head.runId, draft),
    }
    return { report: toReport(draft, null), exitCode: exitCode(draft.end.outcome, draft.end.failure) }
  }
  const outcome = 'started'
  const report = { ...toReport(draft, null), outcome, success: null, changed: null } as const
  return { report, exitCode: exitCode(outcome, null) }
}

export const runnerUnseen = ({ head }: RunEntry): Failure => ({
  code: 'runner-unseen',
  runId: head.runId,
  machine: machineOf(head),
})

function runnerGone(runId: string, { steps }: ReportDraft): Failure {
  return { code: 'runner-gone', runId, step: steps.find(({ status }) => status === 'unknown')?.id ?? null }
}

/** By the report, which is written first: a runner may have died before it could note its exit code. */
function codeOf({ folder, head }: RunEntry, { outcome }: Report): number {
  if (outcome !== 'interrupted') return exitCode(outcome, null)
  const end = readEvents(folder).findLast(event => event.type === 'run-finished')
  return end ? exitCode(outcome, end.failure) : (head.exitCode ?? exitCode(outcome, null))
}

/**
 * The line that the run ended with, or what is known so far; what can be done about it is for people. `told`: they were
 * told already.
 */
export function printReport(run: RunEntry, io: Io, told = false): number {
  const { report, exitCode } = storedReport(run)
  const { runId } = run.head
  if (io.stdout.isTTY) io.stdout.write(resultLine(report))
  if (run.unseen) io.stderr.write(wordedError(runnerUnseen(run)))
  else if (run.alive) io.stderr.write(`${runId} is still running\nhint: hostops wait ${runId}\n`)
  else if (!told && !isSettled(run) && report.success !== true && !neverBegan(run)) {
    io.stderr.write(wordedError(openEnd(run)))
  } else if (!told) io.stderr.write(lastWords(run, report, io))
  if (!io.stdout.isTTY) io.stdout.write(resultLine(report))
  return exitCode
}

/** As they were when it ended. */
function lastWords({ folder, head }: RunEntry, report: Report, io: Io): string {
  const summary = makeSummary()
  const events = readEvents(folder)
  for (const event of events) summary.add(event)
  const { outcome, failedStep, durationMs } = report
  const isKnown = events.some(({ type }) => type === 'run-finished')
  // A run without a journal is known only by its report.
  if (!isKnown) summary.add({ type: 'run-finished', outcome, failedStep, failure: null })
  const columns = io.stderr.isTTY ? io.stderr.columns() : null
  const lines = summary.lines({ runId: head.runId, durationMs, stored: false, columns, sight: report })
  const error = isKnown || report.error === null ? [] : [`  error    ${printable(report.error)}`]
  return `${[...lines, ...error].join('\n')}\n`
}

/** For who waits no longer for the end of a run that lives. */
export function printUnended(run: RunEntry, io: Io): number {
  const { runId, pid } = run.head
  const failure: Failure = { code: 'has-a-runner', runId, pid }
  const end = { type: 'run-finished', outcome: 'unknown', failedStep: null, failure } as const
  io.stderr.write(wordedError(failure))
  io.stdout.write(resultLine(toReport({ ...draftFromJournal(run), end }, null)))
  return exitCode(end.outcome, failure)
}

/** Why the end is open, with what may be done about it. */
function openEnd(run: RunEntry): Failure {
  const { runId } = run.head
  const draft = draftFromJournal(run)
  const failure = draft.end?.failure ?? runnerGone(runId, draft)
  if (TELLS_HOW_TO_GO_ON.has(failure.code)) return failure
  return { code: 'usage', problem: sentence(failure), hint: goOn(runId) }
}

const TELLS_HOW_TO_GO_ON: ReadonlySet<FailureCode> = new Set([
  'runner-gone',
  'end-not-seen',
  'half-way',
  'no-longer-holds',
  'record-incomplete',
  'still-runs',
])

export const notBegun = (runId: string): RunEnd => ({
  outcome: 'failed-unchanged',
  failedStep: null,
  failure: { code: 'not-begun', runId },
})

export function draftFromJournal({ folder, head }: RunEntry): ReportDraft {
  const { runId, playbook, target, dryRun } = head
  const draft = emptyDraft({ runId, playbook, target, dryRun, startedAt: Date.parse(head.startedAt) })
  for (const event of readEvents(folder)) addEvent(draft, event)
  return draft
}
