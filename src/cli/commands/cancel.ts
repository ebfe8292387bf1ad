/** `hostops cancel`: does what Ctrl-C does in a terminal, for a run that has none. */
import { EXIT_OK } from '../../report/exit-code.ts'
import { type OfRuns, withRuns } from '../open/with-runs.ts'
import type { Io } from '../terminal/io.ts'

export const cancel = (
  given: string,
  options: OfRuns & { signal: 'INT' | 'TERM' },
  io: Io,
): Promise<number> =>
  withRuns(options, io, async runs => {
    const runId = await runs.find(given)
    await runs.cancel(runId, options.signal)
    io.stderr.write(
      `${runId} was told to stop and to roll back\nhint: hostops wait ${runId}${runs.at}   waits for its end; a second cancel stops the rolling back\n`,
    )
    return EXIT_OK
  })
