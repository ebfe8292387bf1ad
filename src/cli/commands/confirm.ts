/** `hostops confirm`: tells a run that waits for it that all is well. */

import { callerOf } from '../../runs/caller.ts'
import { awaitedConfirmation, decide, decision, hasConfirmStep } from '../../runs/confirmation.ts'
import { EXIT_OK, EXIT_REFUSED, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { openRun } from '../state/open-state.ts'

export async function confirm(
  given: string,
  options: { config?: string; caller?: string },
  io: Io,
): Promise<number> {
  const run = await openRun(given, options, io)
  if (run === null) return EXIT_USAGE
  const { runId } = run.head
  const refuse = (problem: string, hint: string) => {
    io.stderr.write(`error: ${runId} ${problem}\nhint: ${hint}\n`)
    return EXIT_REFUSED
  }
  const awaited = awaitedConfirmation(run.folder)
  if (awaited === null && hasConfirmStep(run.folder) === false)
    return refuse('has no confirm step: it waits for nobody', `hostops report ${runId}`)
  if (awaited === null) {
    return run.report === null
      ? refuse('does not wait for a confirmation yet', `hostops logs ${runId} -f   shows where it is`)
      : refuse('has ended without waiting for a confirmation', `hostops report ${runId}`)
  }
  const { step, deadline, over, next } = awaited
  if (over && next !== null) {
    const problem = `does not wait for the confirmation of ${next} yet (that of ${step} is over)`
    return refuse(problem, `hostops logs ${runId} -f   shows where it is`)
  }
  const earlier = decision(run.folder, deadline)
  if (earlier === null && over) return refuse('waits for no confirmation any more', `hostops report ${runId}`)
  if (earlier !== 'confirmed') {
    // A runner that waits knows better when the time is over: the clock of the machine may have been set since.
    const { by } = callerOf(options.caller, '')
    const isLate =
      (!run.alive && Date.now() > deadline) || decide(run.folder, deadline, 'confirmed', by) === 'missed'
    if (isLate) {
      const ended = new Date(deadline).toISOString()
      return refuse(`waited for a confirmation until ${ended}: it is taken back`, `hostops wait ${runId}`)
    }
  }
  io.stderr.write(
    `${runId} ${earlier === 'confirmed' ? 'was confirmed already' : 'is confirmed'} (step ${step})\n`,
  )
  return EXIT_OK
}
