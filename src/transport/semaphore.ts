/** At most `most` at once; the others wait, in order. */
export function semaphore(most: number) {
  let inside = 0
  const waiting: (() => void)[] = []
  return {
    /** False when the signal was aborted while waiting. */
    async enter(signal: AbortSignal | undefined): Promise<boolean> {
      if (signal?.aborted) return false
      if (inside < most) {
        inside++
        return true
      }
      return new Promise(resolve => {
        const abort = () => {
          waiting.splice(waiting.indexOf(go), 1)
          resolve(false)
        }
        const go = () => {
          signal?.removeEventListener('abort', abort)
          resolve(true)
        }
        signal?.addEventListener('abort', abort, { once: true })
        waiting.push(go)
      })
    },
    leave(): void {
      const next = waiting.shift()
      if (next) next()
      else inside--
    },
  }
}
