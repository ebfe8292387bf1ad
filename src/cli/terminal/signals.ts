/** SIGINT, SIGTERM and the end of the terminal, as interruptions of an operation. */
import type { Signal } from '../../app/watcher.ts'

export function catchSignals(interrupt: (signal: Signal) => void): { dispose(): void } {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const listeners = names.map(name => {
    const listener = () => interrupt(name)
    process.on(name, listener)
    return [name, listener] as const
  })
  return {
    dispose() {
      for (const [name, listener] of listeners) process.removeListener(name, listener)
    },
  }
}
