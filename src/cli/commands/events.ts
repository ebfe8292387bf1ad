/** `hostops events`: the journal of a run, for programs that follow it. */
import { wrongOption } from '../../app/start-options.ts'
import { Failed } from '../../failure.ts'
import { EXIT_OK } from '../../report/exit-code.ts'
import { jsonLine } from '../../wording/printable.ts'
import { type OfRuns, withRuns } from '../open/with-runs.ts'
import type { Io } from '../terminal/io.ts'

export const events = (
  given: string,
  options: OfRuns & { after?: string; follow?: boolean },
  io: Io,
): Promise<number> =>
  withRuns(options, io, async runs => {
    const { after = '0', follow = false } = options
    if (!/^(0|[1-9][0-9]{0,14})$/.test(after)) throw new Failed(wrongOption('--after', 'seq'))
    const runId = await runs.find(given)
    for await (const { v, seq, at, event } of runs.watch(runId, { after: Number(after), follow }))
      io.stdout.write(`${jsonLine({ v, seq, at, ...event })}\n`)
    return EXIT_OK
  })
