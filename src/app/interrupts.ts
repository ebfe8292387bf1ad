/** Interruptions of an operation, passed to whatever is running at the moment. */
import type { RunEnd, StartedRun } from '../engine/run-input.ts'
import { takeInterruption, watchForNote } from '../runs/interruption.ts'
import type { StandBy } from './stand-by.ts'
import type { Signal } from './watcher.ts'

export type Interrupts = {
  /** The first signal that arrived. */
  readonly first: Signal | null
  /** Replaces the handler. If a signal has already arrived, the new handler gets it immediately. */
  handle(handler: (signal: Signal) => void): void
  interrupt(signal: Signal): void
}

export function makeInterrupts(): Interrupts {
  let first: Signal | null = null
  let handler: ((signal: Signal) => void) | null = null
  return {
    get first() {
      return first
    },
    handle(next) {
      handler = next
      if (first !== null) next(first)
    },
    interrupt(signal) {
      first ??= signal
      handler?.(signal)
    },
  }
}

/** Null if a signal came before the work ended. */
export const unlessInterrupted = <T>(interrupts: Interrupts, work: Promise<T>): Promise<T | null> =>
  Promise.race([work, new Promise<null>(resolve => interrupts.handle(() => resolve(null)))])

type Control = {
  interrupts: Interrupts
  /** The run's folder. Whoever sent the signal may have left their name there. */
  folder: string | null
  /** Called once when this process, and not only the run, is told to end. */
  onEnding?: () => StandBy | null
}

export async function endOf(running: StartedRun, { interrupts, folder, onEnding }: Control): Promise<RunEnd> {
  let isTold = false
  let by: StandBy | null = null
  interrupts.handle(signal => {
    running.control.interrupt(signal, folder === null ? null : takeInterruption(folder))
    if (signal === 'SIGINT' || isTold) return
    isTold = true
    by = onEnding?.() ?? null
  })
  const unwatch = folder === null ? () => {} : watchForNote(folder, () => interrupts.interrupt('SIGINT'))
  const end = await running.ended
  unwatch()
  // Nothing was done: the run stays as open as it was, and who interrupted this decides what becomes of it.
  if (end.idle) (by as StandBy | null)?.dismiss()
  return end
}
