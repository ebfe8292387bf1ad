/** `hostops cancel`: what Ctrl-C is for a run that has no terminal. The second one stops the rolling back. */

import { callerOf } from '../../runs/caller.ts'
import { noteInterruption } from '../../runs/interruption.ts'
import { isHere, machineOf } from '../../runs/runner-identity.ts'
import { EXIT_OK, EXIT_REFUSED, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { openRun } from '../state/open-state.ts'

export async function cancel(
  given: string,
  options: { config?: string; signal: 'INT' | 'TERM'; caller?: string },
  io: Io,
): Promise<number> {
  const run = await openRun(given, options, io)
  if (run === null) return EXIT_USAGE
  const { runId, pid } = run.head
  if (!run.alive) {
    io.stderr.write(
      run.report === null
        ? `error: ${runId} has no runner that could be told\nhint: hostops rollback ${runId}   takes it back, hostops resume ${runId} finishes it\n`
        : `error: ${runId} has ended already\nhint: hostops report ${runId}\n`,
    )
    return EXIT_REFUSED
  }
  if (!isHere(run.head)) {
    io.stderr.write(
      `error: the runner of ${runId} is not in this container or on this machine\nhint: on ${machineOf(run.head)}: hostops cancel ${runId}\n`,
    )
    return EXIT_REFUSED
  }
  const forget = noteInterruption(run.folder, pid, callerOf(options.caller, '').by)
  try {
    process.kill(pid, `SIG${options.signal}`)
  } catch (error) {
    forget()
    io.stderr.write(`error: cannot signal process ${pid} of ${runId}: ${(error as Error).message}\n`)
    return EXIT_REFUSED
  }
  io.stderr.write(
    `${runId} was told to stop and to roll back\nhint: hostops wait ${runId}   waits for its end; a second cancel stops the rolling back\n`,
  )
  return EXIT_OK
}
