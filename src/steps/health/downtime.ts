/** How long something did not answer well, as seen from the target while other things go on. */
import { Failed } from '../../failure.ts'
import type { Facts, StepContext } from '../contract/step.ts'

/** From question to question, however long the answer takes: a longer gap is always seen. */
const EVERY_MS = 500
/** While it is down: how soon its return is seen decides how exact the end of the gap is. */
const EVERY_DOWN_MS = 250
/** A step that holds for longer is not worth what would be missed meanwhile. */
const HELD_AT_MOST_MS = 2000

/**
 * A gap begins between the last good answer and the first bad one, and ends between the last bad one and the next good one:
 * in the middle, so that neither is off by more than half a pause. A time in which nobody was to ask, because a container
 * was being replaced, counts as a gap.
 */
export async function measureDowntime(
  ctx: StepContext,
  ended: AbortSignal,
  good: () => Promise<boolean>,
): Promise<Required<Pick<Facts, 'downtimeSeconds' | 'downtime'>>> {
  const gaps = gapsSince(ctx.now())
  let holds = ctx.held().times
  const over = aborted(ended)
  for (let last = false; ; ) {
    const noticed = ctx.now()
    const { over: letGo } = ctx.held()
    if (letGo !== null) await Promise.race([letGo, ctx.sleep(HELD_AT_MOST_MS), over])
    const { times } = ctx.held()
    if (times !== holds) gaps.bad(noticed, ctx.now())
    holds = times
    last = ended.aborted
    const asked = ctx.now()
    const isGood = await ask(good)
    if (isGood === true) gaps.good(ctx.now())
    else if (isGood === false) gaps.bad(asked, asked)
    if (last) return factsOf(gaps.all())
    const every = gaps.isDown() ? EVERY_DOWN_MS : EVERY_MS
    await Promise.race([ctx.sleep(Math.max(every / 2, every - (ctx.now() - asked))), over])
  }
}

type Gap = { from: number; to: number | null }

function gapsSince(start: number) {
  const gaps: Gap[] = []
  let [lastGood, lastBad] = [start, start]
  let since: number | null = null
  return {
    isDown: () => since !== null,
    good(at: number) {
      if (since !== null) gaps.push({ from: since, to: middle(lastBad, at) })
      since = null
      lastGood = at
    },
    bad(from: number, to: number) {
      since ??= middle(lastGood, from)
      lastBad = to
    },
    all: (): readonly Gap[] => (since === null ? gaps : [...gaps, { from: since, to: null }]),
  }
}

const middle = (from: number, to: number) => from + Math.max(0, to - from) / 2

function factsOf(gaps: readonly Gap[]) {
  const iso = (time: number) => new Date(time).toISOString()
  const sum = gaps.reduce((ms, { from, to }) => ms + (to ?? from) - from, 0)
  const isDown = gaps.some(({ to }) => to === null)
  return {
    downtimeSeconds: isDown ? null : Math.round(sum / 100) / 10,
    downtime: gaps.map(({ from, to }) => ({ from: iso(from), to: to === null ? null : iso(to) })),
  }
}

/** Null: the target could not be asked, which says nothing about what runs there. */
async function ask(good: () => Promise<boolean>): Promise<boolean | null> {
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
