/** SIGINT, SIGTERM and the end of the terminal, handed on in order to whoever runs at the moment. */
type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

export type Signals = {
  /** The first one that arrived. */
  readonly first: Signal | null
  /** Told each signal from now on, and at once the one that has already arrived. */
  handle(handler: (signal: Signal) => void): void
  dispose(): void
}

export function catchSignals(): Signals {
  let first: Signal | null = null
  let handler: ((signal: Signal) => void) | null = null
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const listeners = names.map(name => {
    const listener = () => {
      first ??= name
      handler?.(name)
    }
    process.on(name, listener)
    return [name, listener] as const
  })
  return {
    get first() {
      return first
    },
    handle(next) {
      handler = next
      if (first !== null) next(first)
    },
    dispose() {
      for (const [name, listener] of listeners) process.removeListener(name, listener)
    },
  }
}

/** Null when a signal came before the end of the work, which nobody waits for any more. */
export const unlessSignalled = <T>(signals: Signals, work: Promise<T>): Promise<T | null> =>
  Promise.race([work, new Promise<null>(resolve => signals.handle(() => resolve(null)))])
