import * as z from 'zod'
import { durationSchema, timeLimitSchema } from '../../duration.ts'
import { Failed } from '../../failure.ts'
import { once } from '../contract/once.ts'
import { forField, longestFor, msOf, stand } from '../contract/standing.ts'
import type { CheckFinding, Facts, Sign, StepContext, StepKind, StepResult } from '../contract/step.ts'
import { curlArgv, fetchAnswer, shownUrl, urlField } from './curl.ts'
import { measureDowntime } from './downtime.ts'
import { expectField } from './http-expect.ts'

const schema = once(() =>
  z.strictObject({
    urls: z
      .array(urlField())
      .min(1)
      .max(20)
      .describe('All of them must answer well. Polled on the target, so 127.0.0.1 is the target.'),
    timeout: timeLimitSchema().default('60s').describe('How long to wait for the first good answers.'),
    for: forField(),
    interval: durationSchema().default('3s').describe('Longest pause between two rounds of good answers.'),
    successes: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe(
        'How many rounds in a row must be good; without `for`, the time that they take is the window.',
      ),
    expect: expectField(),
    requestTimeout: timeLimitSchema().default('5s').describe('Limit of a single request.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

const OBSERVE_LIMIT_MS = 2_000

/** `saw`: the status of a good answer, else why it is not one. `status`: null where nothing answers. */
type Seen = { url: string; ok: boolean; status: number | null; last: string; saw: string }
/**
 * The URLs that answered well before the first change: a rollback owes those, and no others. `silent`: where nothing answered
 * at all; absent in what an older version recorded.
 */
type Snapshot = { good: string[]; silent?: string[] }

export const healthPoll: StepKind<With, Snapshot> = {
  uses: 'health.poll',
  summary:
    'Waits until URLs answer well and go on to do so, asked on the target with curl. Ends at once when a container that the run started dies or gets unhealthy.',
  schema,
  outputs: { healthy: 'bool', rounds: 'int', durationMs: 'int' },
  timeoutMs: 60 * 60_000,
  plan: {
    effect: () => 'read',
    limitMs: input => ms(input.timeout) + longestFor([{ forMs: forMsOf(input) }]),
    stands: true,
    commands: input =>
      input.urls.map(url => ({ argv: curlArgv({ url, timeoutMs: ms(input.requestTimeout) }) })),
  },
  act: {
    async snapshot(ctx, input) {
      const probes = await round(ctx, input, ms(input.requestTimeout))
      const silent = probes.filter(probe => probe.status === null).map(probe => probe.url)
      for (const url of silent) ctx.say(`${url}: nothing answers before the run${NOBODY}`)
      return { good: input.urls.filter((_url, at) => probes[at]!.ok), silent }
    },
    run: (ctx, input, snapshot) => poll(ctx, input, { silent: snapshot?.silent ?? [] }),
  },
  undo: {
    async verify(ctx, input, snapshot) {
      const urls = snapshot?.good ?? input.urls
      if (urls.length === 0)
        return { changed: false, facts: factsOf(await round(ctx, input, ms(input.requestTimeout))) }
      // The old version has stood before: one good answer is enough, and a slow start is no failed rollback.
      const timeout = ms(input.timeout) < LEAST_BACK_MS ? `${LEAST_BACK_MS}ms` : input.timeout
      return poll(ctx, { ...input, urls, timeout, for: '0s', successes: 1 }, { silent: [], alone: true })
    },
  },
  look: {
    async check(ctx, input): Promise<CheckFinding[]> {
      const probes = await round(ctx, input, ms(input.requestTimeout))
      return probes.map(probe => ({
        text: `${probe.url}: ${probe.last}${probe.status !== null ? '' : NOBODY}`,
        seen: null,
      }))
    },
    async observe(ctx, input, { good }, ended) {
      if (good.length === 0) return {}
      const record = probeRecorder()
      const allGood = async () => {
        const probes = await round(ctx, { ...input, urls: good }, OBSERVE_LIMIT_MS)
        record(ctx, probes)
        return probes.every(probe => probe.ok)
      }
      return measureDowntime(ctx, ended, allGood)
    },
  },
}

/** A machine that has just built, started and failed answers later than a quiet one. */
const LEAST_BACK_MS = 10_000

/** Where a stack runs already, a wrong URL would have a good version replaced and rolled back. */
const NOBODY = ' (expected on a first deploy only: is the URL right?)'

async function poll(
  ctx: StepContext,
  input: With,
  { silent, alone = false }: { silent: readonly string[]; alone?: boolean },
): Promise<StepResult> {
  const timeoutMs = ms(input.timeout)
  const record = recorder()
  let probes: Seen[] = []
  const sign: Sign = {
    forMs: forMsOf(input),
    async look(ctx, leftMs) {
      probes = await round(ctx, input, Math.max(Math.min(ms(input.requestTimeout), leftMs), 500))
      record(ctx, probes)
      const unhealthy = {
        code: 'unhealthy',
        probes: probes.map(asTold),
        timeoutMs,
        ...silentStill(probes, silent),
      } as const
      return {
        good: probes.every(probe => probe.ok),
        final: false,
        print: '',
        text: probes.map(probe => `${probe.url}: ${probe.last}`).join(', '),
        failure: async () => new Failed(unhealthy),
      }
    },
    rebase() {},
  }
  const waiting = { timeoutMs, intervalMs: ms(input.interval), rounds: input.successes ?? 1, alone }
  try {
    const { looks, durationMs } = await stand(ctx, sign, waiting)
    const outputs = { healthy: true, rounds: looks, durationMs }
    return { changed: false, outputs, facts: factsOf(probes) }
  } catch (error) {
    if (!(error instanceof Failed) || error.failure.code !== 'not-stable') throw error
    throw new Failed({ ...error.failure, probes: probes.map(asTold) })
  }
}

/** A number of rounds is a window too. */
const forMsOf = ({ for: named, successes, interval }: With): number | null =>
  msOf(named) ?? (successes === undefined ? null : (successes - 1) * ms(interval))

/** An answer that stays the same is recorded once: a poll may ask for an hour. */
function recorder(): (ctx: StepContext, probes: readonly Seen[]) => void {
  const isNews = newsOf(({ saw }) => saw)
  return (ctx, probes) => {
    for (const { url, saw, ok } of probes.filter(isNews)) ctx.saw({ what: 'http', target: url, saw, ok })
  }
}

function probeRecorder(): (ctx: StepContext, probes: readonly Seen[]) => void {
  const isNews = newsOf(({ ok, status }) => `${ok} ${status}`)
  return (ctx, probes) => {
    for (const { url, ok, status } of probes.filter(isNews)) ctx.probed({ url, ok, status })
  }
}

/** Whether that URL was told differently, or not at all, until now. */
function newsOf(words: (seen: Seen) => string): (seen: Seen) => boolean {
  const last = new Map<string, string>()
  return seen => {
    const before = last.get(seen.url)
    last.set(seen.url, words(seen))
    return before !== words(seen)
  }
}

/** URLs that nothing has answered at, neither before the run nor now. */
function silentStill(probes: readonly Seen[], silent: readonly string[]): { silent?: string[] } {
  const still = probes.flatMap(({ url, status }) => (status === null && silent.includes(url) ? [url] : []))
  return still.length > 0 ? { silent: still } : {}
}

const asTold = ({ url, ok, last }: Seen) => ({ url, ok, last })

/** Each poll is a connection of its own, so that none is answered by a process that only finishes old ones. */
async function round(ctx: StepContext, input: With, timeoutMs: number): Promise<Seen[]> {
  return Promise.all(
    input.urls.map(async url => {
      const { problem, answer } = await fetchAnswer(ctx, { url, timeoutMs }, input.expect)
      const status = answer?.status ?? null
      return {
        url: shownUrl(url),
        ok: problem === null,
        status,
        last: problem ?? `HTTP ${status}`,
        saw: problem ?? `${status}`,
      }
    }),
  )
}

function factsOf(probes: readonly Seen[]): Facts {
  const at = (end: string) => probes.filter(probe => new URL(probe.url).pathname.endsWith(end))
  const [healthz, readyz] = [at('/healthz'), at('/readyz')]
  return {
    ...(healthz.length > 0 ? { healthz: healthz.every(probe => probe.ok) } : {}),
    ...(readyz.length > 0 ? { readyz: readyz.every(probe => probe.ok) } : {}),
  }
}

const ms = (duration: string) => msOf(duration) ?? 0
