/** `hostops events`: the journal of a run, for programs that follow it. */
import { Failed } from '../../failure.ts'
import { watchJournal } from '../../runs/watch-journal.ts'
import { jsonLine } from '../../ui/printable.ts'
import { EXIT_OK, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { openRun } from '../state/open-state.ts'

export async function events(
  given: string,
  options: { after?: string; follow?: boolean; config?: string },
  io: Io,
): Promise<number> {
  const { after = '0', follow = false } = options
  if (!/^(0|[1-9][0-9]{0,14})$/.test(after)) {
    io.stderr.write('error: --after takes the "seq" of an event\nhint: hostops events RUN --after 20\n')
    return EXIT_USAGE
  }
  const run = await openRun(given, options, io)
  if (run === null) return EXIT_USAGE
  try {
    for await (const { v, seq, at, event } of watchJournal(run.folder, { after: Number(after), follow }))
      io.stdout.write(`${jsonLine({ v, seq, at, ...event })}\n`)
    return EXIT_OK
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    io.stderr.write(wordedError(error.failure))
    return EXIT_USAGE
  }
}
