import { type OfRuns, withRuns } from '../open/with-runs.ts'
import { printReport } from '../print/print-report.ts'
import type { Io } from '../terminal/io.ts'
import { unknownIfSilent } from './wait.ts'

export const report = (given: string, options: OfRuns, io: Io): Promise<number> =>
  withRuns(
    options,
    io,
    async runs => {
      const runId = await runs.find(given)
      const { at } = runs
      return printReport(await runs.report(runId), { at, events: () => runs.events(runId) }, io)
    },
    unknownIfSilent(given, options),
  )
