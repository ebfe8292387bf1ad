/**
 * A resume or rollback that did nothing: the run does not exist, cannot be continued, or has a living runner, or its target
 * cannot be reached. The run, and the report that it has, stay as they are.
 */
import type { Outcome } from '../engine/events.ts'
import { beforeAnyChange } from '../engine/outcome.ts'
import { isRunId, newRunId } from '../engine/run-id.ts'
import type { Failure } from '../failure.ts'
import { exitCode } from '../report/exit-code.ts'
import { emptyDraft, toReport } from '../report/report-draft.ts'
import type { RunEntry } from '../runs/runs-folder.ts'
import { draftFromJournal } from '../runs/stored-report.ts'
import { clock } from './clock.ts'
import type { Ended } from './watcher.ts'

/** `run`: as it was given if there is none of that name. */
export function refusedAttempt(run: string | RunEntry, failure: Failure): Ended {
  const outcome = outcomeOf(failure)
  const now = clock.now()
  const end = { outcome, failedStep: null, failure }
  const draft = typeof run === 'string' ? emptyDraft(headFor(run, now)) : draftFromJournal(run)
  draft.end = { type: 'run-finished', ...end }
  const report = toReport(draft, now)
  return { report, exitCode: exitCode(outcome, failure), end, isKept: false, isRecorded: true }
}

const headFor = (given: string, now: number) => ({
  runId: isRunId(given) ? given : newRunId(now),
  playbook: null,
  target: null,
  dryRun: false,
  startedAt: now,
})

function outcomeOf(failure: Failure): Outcome {
  switch (failure.code) {
    case 'usage':
    case 'inputs-invalid':
    case 'settings-invalid':
      return 'invalid'
    default: {
      const outcome = beforeAnyChange(failure)
      // Whether the host is as before is not for this call to say.
      return outcome === 'failed-unchanged' ? 'refused' : outcome
    }
  }
}
