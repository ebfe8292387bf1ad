/** The three things that stop a run, each once and each with its reason: a person, a signal, the clock. */
import { Failed } from '../failure.ts'
import type { Emit } from './events.ts'
import type { Clock, RunControl } from './run-input.ts'

export type Stops = {
  control: RunControl
  /** Ends the steps; a rollback may follow. */
  steps: AbortSignal
  /** Ends the rollback. */
  rollback: AbortSignal
  /** The time of the steps, then the time of the rollback. Call the result when the work has ended. */
  limitSteps(timeoutMs: number): () => void
  limitRollback(timeoutMs: number): () => void
}

export function makeStops(clock: Clock, emit: Emit): Stops {
  const steps = new AbortController()
  const rollback = new AbortController()
  let interrupts = 0

  const limit = (controller: AbortController, timeoutMs: number, of?: 'rollback') => {
    const done = new AbortController()
    void clock.sleep(timeoutMs, done.signal).then(() => {
      if (!done.signal.aborted)
        controller.abort(new Failed({ code: 'run-timeout', timeoutMs, ...(of && { of }) }))
    })
    return () => done.abort()
  }

  return {
    control: {
      interrupt(signal, by = null) {
        interrupts += 1
        const hard = interrupts > 1
        emit({ type: 'interrupting', signal, hard, by })
        const reason = new Failed({ code: 'interrupted', signal })
        if (!steps.signal.aborted) steps.abort(reason)
        else if (hard) rollback.abort(reason)
      },
    },
    steps: steps.signal,
    rollback: rollback.signal,
    limitSteps: timeoutMs => limit(steps, timeoutMs),
    limitRollback: timeoutMs => limit(rollback, timeoutMs, 'rollback'),
  }
}
