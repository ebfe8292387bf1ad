import * as z from 'zod'
import { Failed } from '../../failure.ts'
import { once } from '../command/once.ts'
import { durationSchema, parseDuration, timeLimitSchema } from '../duration.ts'
import type { CheckFinding, Facts, StepContext, StepKind, StepResult } from '../step.ts'
import { curlArgv, request, shownUrl, urlField } from './curl.ts'
import { measureDowntime } from './downtime.ts'
import { expectField, objection } from './http-expect.ts'

const schema = once(() =>
  z.strictObject({
    urls: z
      .array(urlField())
      .min(1)
      .max(20)
      .describe('All of them must answer well. Polled on the target, so 127.0.0.1 is the target.'),
    timeout: timeLimitSchema().default('60s').describe('How long to wait for the good answers.'),
    interval: durationSchema().default('3s').describe('Pause between two rounds.'),
    successes: z
      .int()
      .min(1)
      .max(100)
      .default(2)
      .describe('How many rounds in a row must be good, counted from the start of the step.'),
    expect: expectField(),
    requestTimeout: timeLimitSchema().default('5s').describe('Limit of a single request.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

const OBSERVE_LIMIT_MS = 2_000

/** `saw`: the status of a good answer, else why it is not one. */
type Probe = { url: string; ok: boolean; answered: boolean; last: string; saw: string }
/**
 * The URLs that answered well before the first change: a rollback owes those, and no others. `silent`: where nothing answered
 * at all; absent in what an older version recorded.
 */
type Snapshot = { good: string[]; silent?: string[] }

export const healthPoll: StepKind<With, Snapshot> = {
  uses: 'health.poll',
  summary: 'Waits until URLs answer well several times in a row, asked on the target with curl.',
  get schema() {
    return schema()
  },
  outputs: { healthy: 'bool', rounds: 'int', durationMs: 'int' },
  timeoutMs: 60 * 60_000,
  limitMs: input => parseDuration(input.timeout)!,
  effect: () => 'read',
  commands: input =>
    input.urls.map(url => ({ argv: curlArgv('posix', { url, timeoutMs: ms(input.requestTimeout) }) })),
  async check(ctx, input): Promise<CheckFinding[]> {
    const probes = await round(ctx, input, ms(input.requestTimeout))
    return probes.map(probe => ({
      text: `${probe.url}: ${probe.last}${probe.answered ? '' : NOBODY}`,
      seen: null,
    }))
  },
  async snapshot(ctx, input) {
    const probes = await round(ctx, input, ms(input.requestTimeout))
    const silent = probes.filter(probe => !probe.answered).map(probe => probe.url)
    for (const url of silent) ctx.say(`${url}: nothing answers before the run${NOBODY}`)
    return { good: input.urls.filter((_url, at) => probes[at]!.ok), silent }
  },
  async observe(ctx, input, { good }, ended) {
    if (good.length === 0) return {}
    const allGood = async () => {
      const probes = await round(ctx, { ...input, urls: good }, OBSERVE_LIMIT_MS)
      return probes.every(probe => probe.ok)
    }
    return measureDowntime(ctx, ended, allGood)
  },
  run: (ctx, input, snapshot) => poll(ctx, input, snapshot?.silent),
  async verify(ctx, input, snapshot) {
    const urls = snapshot?.good ?? input.urls
    if (urls.length === 0)
      return { changed: false, facts: factsOf(await round(ctx, input, ms(input.requestTimeout))) }
    return poll(ctx, { ...input, urls })
  },
}

/** Where a stack runs already, a wrong URL would have a good version replaced and rolled back. */
const NOBODY = ' (expected on a first deploy only: is the URL right?)'

async function poll(ctx: StepContext, input: With, silent: readonly string[] = []): Promise<StepResult> {
  const started = ctx.now()
  const timeoutMs = ms(input.timeout)
  const record = recorder(ctx)
  let rounds = 0
  let good = 0
  let shown = ''
  for (;;) {
    const left = timeoutMs - (ctx.now() - started)
    const probes = await round(ctx, input, Math.max(Math.min(ms(input.requestTimeout), left), 500))
    record(probes)
    rounds += 1
    good = probes.every(probe => probe.ok) ? good + 1 : 0
    const text = probes.map(probe => `${probe.url}: ${probe.last}`).join(', ')
    if (text !== shown) ctx.say(text)
    shown = text
    if (good >= input.successes) {
      const durationMs = Math.round(ctx.now() - started)
      const outputs = { healthy: true, rounds, durationMs }
      return { changed: false, outputs, facts: { ...factsOf(probes), watchedSeconds: durationMs / 1000 } }
    }
    const pause = Math.min(ms(input.interval), timeoutMs - (ctx.now() - started))
    if (pause <= 0 || pause >= ctx.remainingMs()) {
      const watchedMs = Math.round(ctx.now() - started)
      throw new Failed({
        code: 'unhealthy',
        probes: probes.map(asTold),
        timeoutMs,
        watchedMs,
        ...silentStill(probes, silent),
      })
    }
    await ctx.sleep(pause)
  }
}

/** An answer that stays the same is recorded once: a poll may ask for an hour. */
function recorder(ctx: StepContext): (probes: readonly Probe[]) => void {
  const last = new Map<string, string>()
  return probes => {
    for (const { url, ok, saw } of probes) {
      if (last.get(url) === saw) continue
      last.set(url, saw)
      ctx.saw({ what: 'http', target: url, saw, ok })
    }
  }
}

/** URLs that nothing has answered at, neither before the run nor now. */
function silentStill(probes: readonly Probe[], silent: readonly string[]): { silent?: string[] } {
  const still = probes.flatMap(({ url, answered }) => (!answered && silent.includes(url) ? [url] : []))
  return still.length > 0 ? { silent: still } : {}
}

const asTold = ({ url, ok, last }: Probe) => ({ url, ok, last })

/** Each poll is a connection of its own, so that none is answered by a process that only finishes old ones. */
async function round(ctx: StepContext, input: With, timeoutMs: number): Promise<Probe[]> {
  return Promise.all(
    input.urls.map(async url => {
      const answer = await request(ctx, { url, timeoutMs })
      const problem = typeof answer === 'string' ? answer : objection(answer, input.expect, ctx.redact)
      const status = typeof answer === 'string' ? '' : `${answer.status}`
      return {
        url: shownUrl(url),
        ok: problem === null,
        answered: typeof answer !== 'string',
        last: problem ?? `HTTP ${status}`,
        saw: problem ?? status,
      }
    }),
  )
}

function factsOf(probes: readonly Probe[]): Facts {
  const at = (end: string) => probes.filter(probe => new URL(probe.url).pathname.endsWith(end))
  const [healthz, readyz] = [at('/healthz'), at('/readyz')]
  return {
    ...(healthz.length > 0 ? { healthz: healthz.every(probe => probe.ok) } : {}),
    ...(readyz.length > 0 ? { readyz: readyz.every(probe => probe.ok) } : {}),
  }
}

const ms = (duration: string) => parseDuration(duration) ?? 0
