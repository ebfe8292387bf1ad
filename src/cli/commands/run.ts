/** `hostops run`: whatever happens, it ends with one report line. */
import type { Watcher } from '../../app/watcher.ts'
import { parseDuration } from '../../duration.ts'
import type { Failure } from '../../failure.ts'
import type { ApprovalWait } from '../../openclaw/approval.ts'
import { opener } from '../open/opener.ts'
import { livesAtHost, type RunOptions, wrongUse } from '../open/run-options.ts'
import { openView } from '../print/run-view.ts'
import type { Io } from '../terminal/io.ts'
import { catchSignals } from '../terminal/signals.ts'

/** `wrong`: a mistake in the command line itself. */
export async function run(
  name: string,
  options: RunOptions,
  io: Io,
  wrong: Failure | null = wrongUse(options, io),
): Promise<number> {
  const view = openView(options, io)
  const request = { name, options, around: io, watcher: view.watcher, wrong }
  if (livesAtHost(options, io)) {
    const { startAtHost } = await import('../../app/at-host/start-at-host.ts')
    const detach = options.detach === true
    const approval = approvalWait(options, view.watcher.note)
    const openHost = opener({ ...options, approval }, io)
    const run = startAtHost({ ...request, detach, openHost })
    const signals = catchSignals(run.interrupt)
    try {
      return await view.finishAtHost(await run.ended)
    } finally {
      signals.dispose()
    }
  }
  const { startRun } = await import('../../app/start-run.ts')
  const run = startRun(request)
  const signals = catchSignals(run.interrupt)
  try {
    const code = await view.finish(await run.ended)
    run.tidy()
    return code
  } finally {
    signals.dispose()
    if (options.asHost) (await import('../open/forget-values.ts')).forgetValues(run.runId, io)
  }
}

function approvalWait({ waitApproval = '' }: RunOptions, note: Watcher['note']): ApprovalWait | undefined {
  const waitMs = parseDuration(waitApproval)
  if (waitMs === null) return undefined
  return { waitMs, onRequest: request => note({ kind: 'approval', waitMs, ...request }) }
}
