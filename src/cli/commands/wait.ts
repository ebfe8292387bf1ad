import { clock } from '../../app/clock.ts'
import { wrongOption } from '../../app/start-options.ts'
import { parseDuration } from '../../duration.ts'
import { Failed } from '../../failure.ts'
import { blankReport, unknownEnd } from '../../report/unknown-report.ts'
import { isSilence } from '../../runs/refusal-code.ts'
import { type OfRuns, printRefusal, type Refuse, withRuns } from '../open/with-runs.ts'
import { printReport } from '../print/print-report.ts'
import type { Io } from '../terminal/io.ts'

export function wait(given: string, options: OfRuns & { timeout?: string }, io: Io): Promise<number> {
  const refuse = unknownIfSilent(given, options)
  return withRuns(
    options,
    io,
    async runs => {
      const limit = options.timeout === undefined ? Number.POSITIVE_INFINITY : parseDuration(options.timeout)
      if (limit === null) throw new Failed(wrongOption('--timeout', 'duration'))
      const runId = await runs.find(given)
      const ended = await runs.wait(runId, limit)
      const more = { at: runs.at, events: () => runs.events(runId) }
      if (ended !== null) return printReport(ended, more, io)
      const { report, failure } = await runs.report(runId)
      return printReport(unknownEnd(report, failure ?? { code: 'has-a-runner', runId, pid: null }), more, io)
    },
    refuse,
  )
}

/** A caller that parses the last line learns that the end is not known, not that nothing was changed. */
export const unknownIfSilent =
  (given: string, { target }: OfRuns): Refuse =>
  (error, at, io) => {
    if (!isSilence(error)) return printRefusal(error, at, io)
    const known = blankReport({ runId: given, target: target ?? null, startedAt: clock.now() })
    return printReport(unknownEnd(known, error.failure), { at, events: () => [] }, io)
  }
