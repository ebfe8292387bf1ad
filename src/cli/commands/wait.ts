import { clock } from '../../app/clock.ts'
import { wrongOption } from '../../app/start-options.ts'
import { parseDuration } from '../../duration.ts'
import { Failed, type Failure } from '../../failure.ts'
import { exitCode } from '../../report/exit-code.ts'
import type { Report } from '../../report/report-schema.ts'
import { resultLine } from '../../report/result-line.ts'
import { blankReport, unknownReport } from '../../report/unknown-report.ts'
import { isSilence } from '../../runs/refusal-code.ts'
import { type OfRuns, printRefusal, type Refuse, withRuns } from '../open/with-runs.ts'
import { wordedError } from '../print/print-failure.ts'
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
      const { at } = runs
      if (ended !== null) return printReport(ended, { at, events: () => runs.events(runId) }, io)
      const { report, failure } = await runs.report(runId)
      return printUnknown(report, failure ?? { code: 'has-a-runner', runId, pid: null }, at, io)
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
    return printUnknown(known, error.failure, at, io)
  }

function printUnknown(known: Report, failure: Failure, at: string, io: Io): number {
  const line = resultLine(unknownReport(known, failure))
  if (io.stdout.isTTY) io.stdout.write(line)
  io.stderr.write(wordedError(failure, at))
  if (!io.stdout.isTTY) io.stdout.write(line)
  return exitCode('unknown', failure)
}
