/**
 * Gives memory back in a quiet moment. V8 lets garbage lie until there is much of it; what is left of ten thousand
 * commands would stay for days, and every later command is forked from it.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const QUIET_MS = 1000
/** Fewer leave nothing worth the 10 to 20 ms that this takes. */
const WORTH_REQUESTS = 500

export type Quiet = { served(): void; stop(): void }

export function createQuiet(collect: () => void = collectGarbage): Quiet {
  let served = 0
  let clock: NodeJS.Timeout | null = null
  const tidy = () => {
    served = 0
    clock = null
    collect()
  }
  return {
    served() {
      served += 1
      if (clock !== null) clock.refresh()
      else if (served >= WORTH_REQUESTS) clock = setTimeout(tidy, QUIET_MS).unref()
    },
    stop() {
      if (clock !== null) clearTimeout(clock)
    },
  }
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  collect()
}
