/**
 * The line of a resume or rollback that did nothing: no such run, nothing to go on from, a runner that lives, a target
 * that is gone. The run, and the report that it has, stay as they are.
 */
import type { Outcome } from '../../engine/events.ts'
import { beforeAnyChange } from '../../engine/outcome.ts'
import { isRunId, newRunId } from '../../engine/run-id.ts'
import type { Failure } from '../../failure.ts'
import { emptyDraft, toReport } from '../../report/build.ts'
import type { RunEntry } from '../../runs/runs-folder.ts'
import { jsonLine } from '../../ui/printable.ts'
import { clock } from '../clock.ts'
import { exitCode } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { resultLine } from '../result-line.ts'
import { draftFromJournal } from './stored-report.ts'

/** `run`: as it was given where there is none of that name. */
export function tellAttempt(
  run: string | RunEntry,
  failure: Failure,
  { output }: { output: string },
  io: Io,
): number {
  const outcome = outcomeOf(failure)
  const now = clock.now()
  const draft =
    typeof run === 'string'
      ? emptyDraft({
          runId: isRunId(run) ? run : newRunId(now),
          playbook: null,
          target: null,
          dryRun: false,
          startedAt: now,
        })
      : draftFromJournal(run)
  draft.end = { type: 'run-finished', outcome, failedStep: null, failure }
  if (output === 'json') {
    io.stderr.write(`${jsonLine({ time: new Date(now).toISOString(), ...draft.end })}\n`)
  } else {
    io.stderr.write(wordedError(failure))
    if (typeof run !== 'string' && run.report !== null && !run.alive)
      io.stderr.write(`hint: the run stays as it was: hostops report ${run.head.runId}\n`)
  }
  io.stdout.write(resultLine(toReport(draft, now)))
  return exitCode(outcome, failure)
}

function outcomeOf(failure: Failure): Outcome {
  switch (failure.code) {
    case 'usage':
    case 'inputs-invalid':
    case 'settings-invalid':
      return 'invalid'
    default: {
      const outcome = beforeAnyChange(failure)
      // How the host compares with before is not this call's to tell.
      return outcome === 'failed-unchanged' ? 'refused' : outcome
    }
  }
}
