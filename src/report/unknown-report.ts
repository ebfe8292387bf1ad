/** What is known of a run whose end is not known yet, or not from here. Pure. */
import type { Failure } from '../failure.ts'
import { sentence } from '../wording/word.ts'
import { exitCode } from './exit-code.ts'
import { emptyDraft, type ReportHead, toReport } from './report-draft.ts'
import type { Report } from './report-schema.ts'

export const unknownEnd = (known: Report, failure: Failure) => ({
  status: 'unseen' as const,
  report: {
    ...known,
    ...({ outcome: 'unknown', success: null, changed: null } as const),
    errorCode: failure.code,
    error: sentence(failure),
  },
  exitCode: exitCode('unknown', failure),
  failure,
})

/** Nothing is known but its id and, perhaps, where it lives. */
export const blankReport = (head: Pick<ReportHead, 'runId' | 'target' | 'startedAt'>): Report =>
  toReport(emptyDraft({ ...head, playbook: null, dryRun: false }), null)
