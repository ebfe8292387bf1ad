/**
 * The engine goes away while its package is upgraded, and comes back seconds later. What is safe to repeat waits for it and
 * is done again. How a command dies with its engine has many words: whether the engine answers is asked.
 */

import { Failed } from '../../failure.ts'
import type { StepContext } from '../contract/step.ts'
import { composeFailed } from './compose-error.ts'

/** A package upgrade takes seconds; a host whose engine is away for longer needs a person. */
const WAIT_MS = 120_000
const ASK_MS = 500
const ANSWER_MS = 10_000
/** An engine that systemd starts for the first caller keeps that caller waiting instead of refusing it. */
const SLOW_MS = 1000
/** Left for saying what happened. */
const RESERVE_MS = 1000

/** The steps of a run share one signal, its rollback another: each waits in vain once. */
const inVain = new WeakSet<AbortSignal>()

/** For a part of a kind that is safe to repeat. */
export const survivingEngine =
  <Given extends unknown[], T>(part: (ctx: StepContext, ...given: Given) => Promise<T>) =>
  (ctx: StepContext, ...given: Given): Promise<T> =>
    acrossAbsence(ctx, () => part(ctx, ...given))

/** Throws what `work` threw where the engine was there all the time, or does not come back in time. */
async function acrossAbsence<T>(ctx: StepContext, work: () => Promise<T>): Promise<T> {
  const deadline = ctx.now() + ctx.remainingMs() - RESERVE_MS
  let mayBeSlow = true
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!mayBeOfAbsence(ctx, error)) throw error
      const absence = await absenceOf(ctx, error, deadline)
      if (absence === 'none' || (absence === 'slow' && !mayBeSlow)) throw error
      if (absence === 'slow') mayBeSlow = false
      ctx.say('the Docker engine was away and is back: doing this part again')
    }
  }
}

function mayBeOfAbsence(ctx: StepContext, error: unknown): error is Failed {
  if (!(error instanceof Failed) || ctx.signal.aborted || inVain.has(ctx.signal)) return false
  // The engine has just told it, and of nothing that was asked for.
  return error.failure.code !== 'not-stable' || error.failure.until === undefined
}

/** `slow`: it may have been away, and answers by now. `over`: it was away, and is back. */
async function absenceOf(
  ctx: StepContext,
  error: Failed,
  deadline: number,
): Promise<'none' | 'slow' | 'over'> {
  const askedAt = ctx.now()
  const first = await ask(ctx, error)
  if (first === 'unknown') return 'none'
  if (first === 'answers') return ctx.now() - askedAt > SLOW_MS ? 'slow' : 'none'
  ctx.say('the Docker engine does not answer: waiting for it')
  const until = Math.min(askedAt + WAIT_MS, deadline)
  while (ctx.now() < until) {
    await ctx.sleep(Math.min(ASK_MS, until - ctx.now()))
    if ((await ask(ctx, error)) === 'answers') return 'over'
  }
  inVain.add(ctx.signal)
  return 'none'
}

/** Whoever may not ask, or cannot reach the target, learns nothing about the engine. */
async function ask(ctx: StepContext, because: Failed): Promise<'answers' | 'away' | 'unknown'> {
  const argv = ['docker', 'version', '--format', '{{.Server.Version}}']
  const timeoutMs = Math.min(ANSWER_MS, ctx.remainingMs())
  try {
    const done = await ctx.exec({ argv, timeoutMs, quiet: true, repeatable: true })
    if (done.code === 0) return 'answers'
    const { code } = composeFailed('', 'version', done).failure
    return code === 'engine-denied' || code === 'command-not-started' ? 'unknown' : 'away'
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    // Stopped meanwhile: that is the news.
    if (ctx.signal.aborted) throw because
    return error.failure.code === 'command-timeout' ? 'away' : 'unknown'
  }
}
