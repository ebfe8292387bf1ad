/** Takes strangers in turns, so that nobody ever waits for more than one of them. */

/** For each millisecond that one of them took, the time that belongs to everybody else. */
const REST = 9
/** Below this a turn of the event loop is rest enough. */
const SHORT_MS = 0.2

export type Turns = { take(act: () => void): void }

export function createTurns(): Turns {
  const waiting: (() => void)[] = []
  let isRunning = false
  const next = () => {
    const act = waiting.shift()
    isRunning = act !== undefined
    if (act === undefined) return
    const began = performance.now()
    act()
    const tookMs = performance.now() - began
    if (tookMs < SHORT_MS) setImmediate(next)
    else setTimeout(next, REST * tookMs).unref()
  }
  return {
    take: act => {
      waiting.push(act)
      if (isRunning) return
      isRunning = true
      setImmediate(next)
    },
  }
}
