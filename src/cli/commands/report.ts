import { mayBeAsked } from '../../runs/runs-folder.ts'
import { EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { openRun } from '../state/open-state.ts'
import { printReport } from '../state/stored-report.ts'

/** How long a daemon is asked for an end that is not known yet. */
const PATIENCE_MS = 5000

export async function report(given: string, options: { config?: string }, io: Io): Promise<number> {
  const run = await openRun(given, options, io)
  if (run === null) return EXIT_USAGE
  if (!mayBeAsked(run)) return printReport(run, io)
  const { settleRun } = await import('../state/reconcile.ts')
  const asked = await settleRun(run, { patienceMs: PATIENCE_MS, io })
  return printReport(asked.run, io, asked.told)
}
