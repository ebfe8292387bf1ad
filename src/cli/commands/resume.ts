/** `hostops resume` and `hostops rollback`, of a run of this machine or at a host. */
import type { Continued, ContinueOptions } from '../../app/continue-run.ts'
import type { Operation } from '../../app/watcher.ts'
import { readEvents } from '../../runs/read-journal.ts'
import type { Verb } from '../../runs/runs.ts'
import { storedReport } from '../../runs/stored-report.ts'
import { isGood } from '../../ui/words.ts'
import { opener } from '../open/opener.ts'
import { printAttempt } from '../print/print-attempt.ts'
import { printReport } from '../print/print-report.ts'
import { openView } from '../print/run-view.ts'
import type { Shown } from '../print/shown.ts'
import type { Io } from '../terminal/io.ts'
import { catchSignals } from '../terminal/signals.ts'

export type ResumeOptions = ContinueOptions & Shown & { target?: string; check?: boolean }

export async function resumeOrRollBack(
  verb: Verb,
  given: string,
  options: ResumeOptions,
  io: Io,
): Promise<number> {
  const view = openView(options, io)
  const request = { verb, given, options, around: io, watcher: view.watcher }
  const { target, check = false } = options
  if (target !== undefined) {
    const { continueAtHost } = await import('../../app/at-host/continue-at-host.ts')
    const run = continueAtHost({
      ...request,
      options: { ...options, target },
      check,
      openHost: opener(options, io),
    })
    const signals = catchSignals(run.interrupt)
    try {
      return await view.finishAtHost(await run.ended)
    } finally {
      signals.dispose()
    }
  }
  const run: Operation<Continued> = check
    ? (await import('../../app/rehearse-rollback.ts')).rehearseRollback(request)
    : (await import('../../app/continue-run.ts')).continueRun(request)
  const signals = catchSignals(run.interrupt)
  try {
    const end = await run.ended
    switch (end.kind) {
      case 'refused':
        return printAttempt(end, options, io)
      case 'over':
        return nothingDone(end, options, io)
      case 'ended': {
        const code = await view.finish(end.ended)
        if (options.asHost)
          (await import('../open/forget-values.ts')).forgetValues(end.ended.report.runId, io)
        return code
      }
    }
  } finally {
    signals.dispose()
  }
}

function nothingDone(
  { run }: Extract<Continued, { kind: 'over' }>,
  { quiet = false, output }: Shown,
  io: Io,
): Promise<number> {
  const report = { ...storedReport(run), status: run.status }
  const isSilent = output === 'json' || (quiet && isGood(report.report.outcome))
  if (!isSilent) io.stderr.write(`${run.head.runId} has ended already: nothing was done\n`)
  return printReport(report, { at: '', events: () => readEvents(run.folder), isSilent }, io)
}
