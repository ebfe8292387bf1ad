/** How long something did not answer well, as seen from the target while other things go on. */
import { Failed } from '../../failure.ts'
import type { StepContext } from '../step.ts'

const EVERY_MS = 500
/** A step that holds for longer is not worth what would be missed meanwhile. */
const HELD_AT_MOST_MS = 2000

/**
 * Each gap counts from the last good answer to the next good one, so that what is told is never less than what a
 * caller has met, and at most a pause and an answer more. A time in which nobody was to ask, because a container was
 * being replaced, counts as a gap. Null: at the end there is no good answer yet.
 */
export async function measureDowntime(
  ctx: StepContext,
  ended: AbortSignal,
  good: () => Promise<boolean>,
): Promise<number | null> {
  let lastGood = ctx.now()
  let downSince: number | null = null
  let down = 0
  let holds = ctx.held().times
  const over = aborted(ended)
  for (let last = false; ; ) {
    const { over: letGo } = ctx.held()
    if (letGo !== null) await Promise.race([letGo, ctx.sleep(HELD_AT_MOST_MS), over])
    const { times } = ctx.held()
    if (times !== holds) downSince ??= lastGood
    holds = times
    last = ended.aborted
    const isGood = await asked(good)
    if (isGood === true) {
      if (downSince !== null) down += ctx.now() - downSince
      downSince = null
      lastGood = ctx.now()
    } else if (isGood === false) {
      downSince ??= lastGood
    }
    if (last) return downSince === null ? Math.round(down / 100) / 10 : null
    await Promise.race([ctx.sleep(EVERY_MS), over])
  }
}

/** Null: the target could not be asked, which says nothing about what runs there. */
async function asked(good: () => Promise<boolean>): Promise<boolean | null> {
  try {
    return await good()
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return null
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
