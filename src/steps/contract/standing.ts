/** One window for all steps of a run that wait for a version to stand: `timeout` to the first good sign, then `for`. */

import { durationSchema, parseDuration } from '../../duration.ts'
import { Failed } from '../../failure.ts'
import type { Look, Sign, StepContext } from './step.ts'

const FOR_MS = 10_000
/** Pause until the first good sign; from then on it doubles, up to the step's interval. */
const FIRST_MS = 250
/** Longest pause where containers tell nothing by themselves. */
const DEAF_MS = 1000

export const forField = () =>
  durationSchema()
    .optional()
    .describe(
      'How long the version must stand from its first good sign on. Steps of a run share one window, and the longest counts. Default: 10s.',
    )
/** An alias that playbooks have. */
export const oldForField = () => durationSchema().optional().describe('The old name of `for`.')

export const msOf = (duration: string | undefined): number | null =>
  duration === undefined ? null : parseDuration(duration)

/** Null where the steps name none. */
export const longestFor = (signs: readonly Pick<Sign, 'forMs'>[]): number => {
  const named = signs.flatMap(({ forMs }) => (forMs === null ? [] : [forMs]))
  return named.length === 0 ? FOR_MS : Math.max(...named)
}

/** `rounds`: good looks in a row. */
type Standing = { since: number | null; rounds: number; print: string }
export const NOT_YET: Standing = { since: null, rounds: 0, print: '' }
export type WindowLimits = { startedAt: number; timeoutMs: number; forMs: number; rounds: number }
export type Fact = { at: number } & Pick<Look, 'good' | 'final' | 'print'>

/** Pure. A bad look, and one after something was started again, begin the window anew, but not after the timeout. */
export function judgeStanding(
  before: Standing,
  { at, good, final, print }: Fact,
  { startedAt, timeoutMs, forMs, rounds }: WindowLimits,
): { now: Standing; verdict: 'wait' | 'stands' | 'fails' } {
  const goesOn = good && before.since !== null && before.print === print
  const since = goesOn ? before.since : good ? at : null
  const now = { since, rounds: goesOn ? before.rounds + 1 : good ? 1 : 0, print }
  const lastStart = startedAt + timeoutMs
  if (final || (since === null ? at >= lastStart : since > lastStart)) return { now, verdict: 'fails' }
  if (since === null) return { now, verdict: 'wait' }
  if (at - since >= forMs && now.rounds >= rounds) return { now, verdict: 'stands' }
  return { now, verdict: at > lastStart + forMs ? 'fails' : 'wait' }
}

type Waiting = {
  timeoutMs: number
  intervalMs: number
  rounds?: number
  /** In a verification: nothing but its own sign counts, for its own time. */
  alone?: boolean
}

/**
 * Returns at the first good sign where a later step waits the window out. Throws what keeps the version from standing.
 * `early`: what has listened to its own sign until now.
 */
export async function stand(
  ctx: StepContext,
  own: Sign,
  waiting: Waiting,
  early?: Ear,
): Promise<{ looks: number; durationMs: number }> {
  const { alone } = waiting
  const started = ctx.now()
  if (!alone) ctx.standing.set(ctx.stepId, own)
  const others = alone ? [] : [...ctx.standing.values()].filter(sign => sign !== own)
  const untilMs = ctx.now() + waiting.timeoutMs + longestFor([own, ...others])
  const ear = early ?? listening(ctx, own, untilMs)
  for (const other of others) ear.add(other)
  try {
    return await wait(ctx, own, waiting, { others, ear })
  } catch (error) {
    if (!alone) ctx.standing.delete(ctx.stepId)
    throw error
  } finally {
    ctx.watched(ctx.now() - started)
    ear.stop()
  }
}

export type Ear = {
  add(sign: Sign): void
  /** Shorter where nothing can be heard. */
  longestPause(intervalMs: number): number
  sleep(ms: number): Promise<void>
  /** Nobody waits until the command has ended: it has been told to. */
  stop(): void
}

/** Deaf where nothing can be heard (denied, an engine without events): then there is only looking. */
export function listening(ctx: StepContext, first: Sign, untilMs: number): Ear {
  const over = new AbortController()
  const signs = new Set<Sign>()
  const heard = new Set<string>()
  let open = 0
  let isNews = false
  let wake = () => {}
  const tell = (about: string) => (line: string) => {
    const news = [...signs].flatMap(sign => (sign.news?.about === about ? [sign.news] : []))
    // Each of them, since each keeps what it hears.
    if (!news.map(each => each.hears(line)).includes(true)) return
    isNews = true
    wake()
  }
  const listen = async ({ about, listen }: NonNullable<Sign['news']>) => {
    open += 1
    try {
      await listen(ctx, untilMs, over.signal, tell(about))
    } catch {
      // It was ended, or cannot be had: the looks tell what matters.
    }
    open -= 1
  }
  const add = (sign: Sign) => {
    signs.add(sign)
    const { news } = sign
    if (news === undefined || heard.has(news.about)) return
    heard.add(news.about)
    void listen(news)
  }
  add(first)
  return {
    add,
    longestPause: intervalMs => (open < heard.size ? Math.min(intervalMs, DEAF_MS) : intervalMs),
    async sleep(ms) {
      const woken = new Promise<void>(resolve => {
        wake = resolve
      })
      if (!isNews) await Promise.race([ctx.sleep(ms), woken])
      isNews = false
    },
    stop: () => over.abort(),
  }
}

async function wait(
  ctx: StepContext,
  own: Sign,
  waiting: Waiting,
  { others, ear }: { others: readonly Sign[]; ear: Ear },
) {
  const { timeoutMs, intervalMs, rounds = 1, alone } = waiting
  const startedAt = ctx.now()
  const forMs = longestFor([own, ...others])
  const ends = startedAt + timeoutMs + forMs
  const isEarly = !alone && ctx.standsLater()
  let standing = NOT_YET
  let blamed: Look | null = null
  const say = sayChanges(ctx)
  const endings = noticeEndings()
  for (let looks = 1; ; looks += 1) {
    const leftMs = (standing.since === null ? startedAt + timeoutMs : ends) - ctx.now()
    const [look, ...more] = await Promise.all([
      own.look(ctx, leftMs),
      ...others.map(sign => lookBeside(ctx, sign, leftMs)),
    ])
    say(look.text)
    const all = [look, ...more.flatMap(each => each ?? [])]
    const hasEnded = endings(look.good, all)
    const fact = together(ctx.now(), all, hasEnded)
    const isOther = standing.since !== null && fact.print !== standing.print
    blamed = blame(all, hasEnded, isOther) ?? blamed
    const { now, verdict } = judgeStanding(standing, fact, { startedAt, timeoutMs, forMs, rounds })
    standing = now
    const durationMs = Math.round(ctx.now() - startedAt)
    if (verdict === 'stands' || (isEarly && fact.good && verdict === 'wait')) return { looks, durationMs }
    const longest = ear.longestPause(intervalMs)
    const pause = pauseOf(standing, longest, { at: ctx.now(), lastStart: startedAt + timeoutMs, forMs })
    if (verdict === 'fails' || pause >= ctx.remainingMs()) throw await (blamed ?? look).failure()
    await ear.sleep(pause)
  }
}

function sayChanges(ctx: StepContext): (text: string) => void {
  let shown = ''
  return text => {
    if (text !== shown) ctx.say(text)
    shown = text
  }
}

/** What ends cleanly may be meant to, unless the version was good until then and is not any more. */
function noticeEndings(): (isGood: boolean, all: readonly Look[]) => boolean {
  let whenGood: number | null = null
  return (isGood, all) => {
    const ended = all.reduce((sum, each) => sum + (each.ended ?? 0), 0)
    if (isGood) whenGood ??= ended
    return !isGood && whenGood !== null && ended > whenGood
  }
}

const together = (at: number, all: readonly Look[], isOver: boolean): Fact => ({
  at,
  good: all.every(look => look.good),
  final: isOver || all.some(look => look.final),
  print: all.map(look => look.print).join('\n'),
})

/** The look that a failure tells of: the step's own comes first among equals. */
const blame = (all: readonly Look[], hasEnded: boolean, isOther: boolean): Look | undefined =>
  all.find(look => look.final) ??
  (hasEnded ? all.find(look => look.ended) : undefined) ??
  all.find(look => !look.good) ??
  (isOther ? all.find(look => look.print !== '') : undefined)

function pauseOf(
  { since, rounds }: Standing,
  intervalMs: number,
  { at, lastStart, forMs }: { at: number; lastStart: number; forMs: number },
): number {
  if (since === null) return Math.max(0, Math.min(intervalMs, FIRST_MS, lastStart - at))
  const left = since + forMs - at
  const pause = Math.min(intervalMs, FIRST_MS * 2 ** Math.min(rounds - 1, 20))
  return left > 0 ? Math.min(pause, left) : pause
}

/** Null: it cannot be asked, which says nothing about what runs there; what happened meanwhile is not held against it. */
async function lookBeside(ctx: StepContext, sign: Sign, leftMs: number): Promise<Look | null> {
  try {
    return await sign.look(ctx, leftMs)
  } catch (error) {
    if (!(error instanceof Failed) || ctx.signal.aborted) throw error
    sign.rebase()
    return null
  }
}
