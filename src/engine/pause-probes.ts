/** Lets a step keep those who ask beside it silent for a moment. One for each run. */

export type Hold = {
  /** The first call of the answer lets go; holds of several steps last until the last of them. */
  take(): () => void
  /** `over` is null while nobody holds, else what resolves when nobody does any more. */
  seen(): { times: number; over: Promise<void> | null }
}

export function newHold(): Hold {
  const holders = new Set<symbol>()
  const waiting: (() => void)[] = []
  let times = 0
  return {
    take() {
      const holder = Symbol('holder')
      holders.add(holder)
      times += 1
      return () => {
        holders.delete(holder)
        if (holders.size === 0) for (const go of waiting.splice(0)) go()
      }
    },
    seen: () => ({
      times,
      over: holders.size === 0 ? null : new Promise(resolve => waiting.push(resolve)),
    }),
  }
}
