/** Interruptions of an operation, passed to whatever is running at the moment. */
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
