/** The words and the line of a resume or rollback that did nothing. */
import { clock } from '../../app/clock.ts'
import type { Continued } from '../../app/continue-run.ts'
import { resultLine } from '../../report/result-line.ts'
import { mayLive } from '../../runs/run-status.ts'
import { jsonLine } from '../../wording/printable.ts'
import type { Io } from '../terminal/io.ts'
import { wordedError } from './print-failure.ts'

export function printAttempt(
  { ended, run }: Omit<Extract<Continued, { kind: 'refused' }>, 'kind'>,
  { output }: { output: string },
  io: Io,
): number {
  const { report, exitCode, end } = ended
  const line = resultLine(report)
  if (io.stdout.isTTY) io.stdout.write(line)
  if (output === 'json') {
    const event = { type: 'run-finished', ...end }
    io.stderr.write(`${jsonLine({ time: new Date(clock.now()).toISOString(), ...event })}\n`)
  } else {
    if (end.failure !== null) io.stderr.write(wordedError(end.failure))
    if (run !== null && run.report !== null && !mayLive(run.status))
      io.stderr.write(`hint: the run stays as it was: hostops report ${run.head.runId}\n`)
  }
  if (!io.stdout.isTTY) io.stdout.write(line)
  return exitCode
}
