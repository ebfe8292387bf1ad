import { setTimeout as sleep } from 'node:timers/promises'
import { DURATION_HINT, parseDuration } from '../../duration.ts'
import { mayBeAsked, readRun } from '../../runs/runs-folder.ts'
import { EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { openRun } from '../state/open-state.ts'
import { printReport, printUnended } from '../state/stored-report.ts'

const POLL_MS = 250

export async function wait(
  given: string,
  options: { timeout?: string; config?: string },
  io: Io,
): Promise<number> {
  const limit = options.timeout === undefined ? Number.POSITIVE_INFINITY : parseDuration(options.timeout)
  if (limit === null) {
    io.stderr.write(`error: --timeout is no duration\nhint: ${DURATION_HINT}\n`)
    return EXIT_USAGE
  }
  const found = await openRun(given, options, io)
  if (found === null) return EXIT_USAGE
  const deadline = Date.now() + limit
  for (let run = found; ; ) {
    if (!run.alive || run.unseen) {
      if (!mayBeAsked(run)) return printReport(run, io)
      const { settleRun } = await import('../state/reconcile.ts')
      const asked = await settleRun(run, { patienceMs: deadline - Date.now(), io })
      return printReport(asked.run, io, asked.told)
    }
    if (Date.now() >= deadline) {
      return printUnended(run, io)
    }
    await sleep(Math.min(POLL_MS, deadline - Date.now()))
    run = readRun(run.folder) ?? { ...run, alive: false }
  }
}
