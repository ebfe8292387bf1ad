/** SIGINT, SIGTERM and the end of the terminal, handed on in order to whoever runs at the moment. */
export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'

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
