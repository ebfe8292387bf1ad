/** The report of a run in the state folder: the stored one, or what its journal says so far. */
import type { RunEnd } from '../engine/run-input.ts'
import type { Failure } from '../failure.ts'
import { exitCode } from '../report/exit-code.ts'
import { addEvent, emptyDraft, type ReportDraft, toReport } from '../report/report-draft.ts'
import type { Report } from '../report/report-schema.ts'
import { readEvents } from './read-journal.ts'
import { mayLive } from './run-status.ts'
import { isHere, machineOf } from './runner-identity.ts'
import type { RunEntry } from './runs-folder.ts'

/** `failure`: why its end is not known, or still open. */
type StoredReport = { report: Report; exitCode: number; failure: Failure | null }

export function storedReport(run: RunEntry): StoredReport {
  const { report, status } = run
  if (report !== null && !mayLive(status))
    return { report, exitCode: codeOf(run, report), failure: status === 'open' ? whyOpen(run) : null }
  if (status === 'running') {
    const known = toReport(draftFromJournal(run), null)
    const started = { ...known, outcome: 'started', success: null, changed: null } as const
    return { report: started, exitCode: exitCode('started', null), failure: hasRunner(run) }
  }
  const draft = draftFromJournal(run)
  if (status === 'not-started') draft.end = { type: 'run-finished', ...notBegun(run.head.runId) }
  const failure = status === 'unseen' ? hasRunner(run) : runnerGone(run.head.runId, draft)
  draft.end ??= { type: 'run-finished', outcome: 'unknown', failedStep: null, failure }
  return {
    report: toReport(draft, null),
    exitCode: exitCode(draft.end.outcome, draft.end.failure),
    failure: status === 'unseen' ? failure : status === 'cut-off' ? draft.end.failure : null,
  }
}

/** Refused to anybody who wants to continue the run. */
export const hasRunner = ({ head, status }: RunEntry): Failure =>
  status === 'unseen'
    ? { code: 'runner-unseen', runId: head.runId, machine: machineOf(head) }
    : { code: 'has-a-runner', runId: head.runId, pid: isHere(head) ? head.pid : null }

function runnerGone(runId: string, { steps }: ReportDraft): Failure {
  return { code: 'runner-gone', runId, step: steps.find(({ status }) => status === 'unknown')?.id ?? null }
}

function whyOpen(run: RunEntry): Failure {
  const draft = draftFromJournal(run)
  return draft.end?.failure ?? runnerGone(run.head.runId, draft)
}

/** By the report, which is written first: a runner may have died before it could note its exit code. */
function codeOf({ folder, head }: RunEntry, { outcome }: Report): number {
  if (outcome !== 'interrupted') return exitCode(outcome, null)
  const end = readEvents(folder).findLast(event => event.type === 'run-finished')
  return end ? exitCode(outcome, end.failure) : (head.exitCode ?? exitCode(outcome, null))
}

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
