import { EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { openRun } from '../open-state.ts'
import { resultLine } from '../result-line.ts'
import { storedReport } from '../stored-report.ts'

export async function report(given: string, options: { config?: string }, io: Io): Promise<number> {
  const run = await openRun(given, options, io)
  if (run === null) return EXIT_USAGE
  const stored = storedReport(run)
  if (run.alive) io.stderr.write(`${run.head.runId} is still running\nhint: hostops wait ${run.head.runId}\n`)
  io.stdout.write(resultLine(stored.report))
  return stored.exitCode
}
