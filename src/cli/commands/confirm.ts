/** `hostops confirm`: approves a run that waits for it. */
import { EXIT_OK } from '../../report/exit-code.ts'
import { printable } from '../../wording/printable.ts'
import { type OfRuns, withRuns } from '../open/with-runs.ts'
import type { Io } from '../terminal/io.ts'

export const confirm = (given: string, options: OfRuns, io: Io): Promise<number> =>
  withRuns(options, io, async runs => {
    const runId = await runs.find(given)
    const { step, already } = await runs.confirm(runId)
    io.stderr.write(
      `${runId} ${already ? 'was confirmed already' : 'is confirmed'} (step ${printable(step)})\n`,
    )
    return EXIT_OK
  })
