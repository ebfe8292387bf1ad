/** The runs of this machine. If only a daemon can know how one ended, that daemon is asked. */
import type { Surroundings } from '../process/surroundings.ts'
import type { RunReport, Runs } from '../runs/runs.ts'
import { mayBeAsked } from '../runs/runs-folder.ts'
import { runsHere } from '../runs/runs-here.ts'

/** For a report, which somebody waits for. */
const PATIENCE_MS = 5000

export function ownRuns(state: string, around: Surroundings): Runs {
  const here = runsHere(state)
  const settled = async (runId: string, patienceMs: number): Promise<RunReport> => {
    const run = here.entry(runId)
    if (!mayBeAsked(run)) return here.report(runId)
    const { settleRun } = await import('./reconcile-run.ts')
    const { failure } = await settleRun(run, { patienceMs, around })
    const report = await here.report(runId)
    return failure === null ? report : { ...report, failure }
  }
  return {
    ...here,
    report: runId => settled(runId, PATIENCE_MS),
    async wait(runId, withinMs) {
      const deadline = Date.now() + withinMs
      const ended = await here.wait(runId, withinMs)
      return ended === null ? null : settled(runId, deadline - Date.now())
    },
  }
}
