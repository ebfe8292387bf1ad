/** The runs at a host, through a link to it. Nothing that a host answers is believed to have the right shape. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { parseJson } from '../document/json.ts'
import { type Event, OUTCOMES } from '../engine/events.ts'
import { Failed, type Failure } from '../failure.ts'
import type { RunAnswer } from '../hostlink/messages.ts'
import type { Report } from '../report/report-schema.ts'
import { RESULT_PREFIX } from '../report/result-line.ts'
import { byBeginning, lastOf } from './find-run.ts'
import { atOf, type HostLink, HostRefusal, must, noReply, type Reply, withRetries } from './host-link.ts'
import { JOURNAL_VERSION, type JournalEntry, writtenByNewer } from './journal-text.ts'
import { RUN_STATUSES } from './run-status.ts'
import type { RunReport, RunRow, Runs } from './runs.ts'

const LONG_WAIT_MS = 50_000
const PAUSE_MS = 250
/** Of a host that says none. Others than these would wrap around: 256 would be 0. */
const EXIT_FAULT = 70

/** `signal`: until when somebody waits for answers. */
export function runsAt(host: HostLink, signal?: AbortSignal): Runs {
  const ask = async (action: string, fields: object) =>
    must(await withRetries(() => host.ask(action, fields, signal), signal))
  const where = { place: `at ${host.target}`, at: atOf(host) }
  const list = async () => rowsOf(await ask('list', {}))
  return {
    ...where,
    list,
    async find(given, verb) {
      if (given === 'last') return lastOf(await list(), verb ?? null, where)
      const probe = await withRetries(() => host.ask('logs', { run_id: given }, signal), signal)
      if (probe.ok) return given
      // Any other answer is not about the run.
      if (probe.failure.code !== 'usage') must(probe)
      const ids = (await list()).map(row => row.runId)
      return byBeginning(given, ids, where)
    },
    report: async runId => reportIn(await ask('report', { run_id: runId }), runId, host.target),
    async wait(runId, withinMs) {
      for (const deadline = Date.now() + withinMs; ; ) {
        const left = deadline - Date.now()
        const reply = await waitAt(host, runId, Math.max(0, Math.min(LONG_WAIT_MS, left)), signal)
        const answer = must(reply)
        if (answer.done) return reportIn(answer, runId, host.target)
        // A host may answer sooner than it was asked to.
        const rest = deadline - Date.now()
        if (rest <= 0) return null
        await sleep(Math.min(PAUSE_MS, rest))
      }
    },
    hasEnded: async runId => must(await waitAt(host, runId, 0, signal)).done === true,
    async events(runId) {
      const events: Event[] = []
      for await (const { event } of watch(host, runId, { after: 0, follow: false, signal }))
        events.push(event)
      return events
    },
    watch: (runId, options) => watch(host, runId, { ...options, signal }),
    logs: async runId =>
      listed((await ask('logs', { run_id: runId })).files).flatMap(
        file => logSchema.safeParse(file).data ?? [],
      ),
    async readLog(runId, name, offset) {
      const { data } = await ask('logs', { run_id: runId, file: name, offset })
      return Buffer.from(data ?? '', 'base64')
    },
    async confirm(runId) {
      const answer = done(await ask('confirm', { run_id: runId }))
      return { step: answer.step ?? '', already: answer.already === true }
    },
    async cancel(runId, sent) {
      // Asked once only: a second request means something else.
      done(must(await host.ask('cancel', { run_id: runId, signal: sent }, signal)))
    },
    close: () => host.close(),
  }
}

async function* watch(
  host: HostLink,
  runId: string,
  { after, follow, signal }: { after: number; follow: boolean; signal: AbortSignal | undefined },
): AsyncGenerator<JournalEntry> {
  let last = after
  const fields = { run_id: runId, wait_ms: follow ? LONG_WAIT_MS : 0 }
  for (;;) {
    const ask = () => host.ask('journal', { ...fields, after: last }, signal)
    const { done, ...answer } = must(await withRetries(ask, signal))
    const entries = listed(answer.entries)
    for (const value of entries) {
      const entry = entryBehind(last, value, runId, host.target)
      yield entry
      last = entry.seq
    }
    if (done !== false || (!follow && entries.length === 0) || signal?.aborted) return
    // A host that does not wait is not asked without a pause.
    if (entries.length === 0) await sleep(PAUSE_MS)
  }
}

/** A host that repeats itself, or leaves something out, is not followed. */
function entryBehind(last: number, value: unknown, runId: string, from: string): JournalEntry {
  const entry = entryOf(value)
  if (entry !== null && entry.v > JOURNAL_VERSION) throw writtenByNewer(runId)
  if (entry?.seq === last + 1) return entry
  throw new Failed({ code: 'usage', what: 'unreadable-answer', from, of: runId })
}

export const waitAt = (
  host: HostLink,
  runId: string,
  timeoutMs: number,
  signal?: AbortSignal,
  runner?: string,
): Promise<Reply> =>
  withRetries(
    () => host.ask('wait', { run_id: runId, job_id: runner, timeout_ms: timeoutMs }, signal),
    signal,
  )

function reportIn(answer: RunAnswer, runId: string, target: string): RunReport {
  const told = reportOf(answer, runId)
  if (told !== null) return told
  // Not even what became of a request that it answers is known.
  throw new HostRefusal(
    noReply({ code: 'usage', what: 'unreadable-answer', from: target, of: runId }, { again: true }),
  )
}

/** Null if the answer holds no report of that run. */
export function reportOf(answer: RunAnswer, runId: string): RunReport | null {
  const { stdout, exit_code, failure } = answer
  const text = (stdout ?? '').split('\n').findLast(line => line.startsWith(RESULT_PREFIX))
  const report = text === undefined ? null : parsedReport(text.slice(RESULT_PREFIX.length))
  if (report?.runId !== runId) return null
  const status = statusSchema.safeParse(answer.run_status).data ?? 'settled'
  const isCode = typeof exit_code === 'number' && exit_code >= 0 && exit_code <= 255
  return {
    ...{ status, report, exitCode: isCode ? exit_code : EXIT_FAULT },
    failure: isFailure(failure) ? fromHere(failure) : null,
  }
}

/** The process of a runner at a host tells nobody here anything. */
const fromHere = (failure: Failure): Failure =>
  failure.code === 'has-a-runner' ? { ...failure, pid: null } : failure

/** What every release reports. Other fields are passed on as they are. */
const reportCore = z.object({
  runId: z.string(),
  outcome: z.enum(OUTCOMES),
  success: z.boolean().nullable(),
  errorCode: z.string().nullable(),
  error: z.string().nullable(),
  failedStep: z.string().nullable(),
})

function parsedReport(text: string): Report | null {
  const report = parseJson(text)
  const isReport = reportCore.safeParse(report).success && isShallow(report, MOST_LEVELS)
  return isReport ? (report as unknown as Report) : null
}

/** Reading JSON takes any depth, and writing it again does not. */
const MOST_LEVELS = 32
const isShallow = (value: unknown, levels: number): boolean =>
  typeof value !== 'object' ||
  value === null ||
  (levels > 0 && Object.values(value).every(each => isShallow(each, levels - 1)))

function done(answer: RunAnswer): RunAnswer {
  if (isFailure(answer.failure)) throw new Failed(answer.failure)
  return answer
}

const listed = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

const statusSchema = z.enum(RUN_STATUSES)
const rowSchema = z.object({
  runId: z.string(),
  outcome: z.enum([...OUTCOMES, 'running']),
  success: z.boolean().nullable(),
  playbook: z.string().nullable(),
  target: z.string().nullable(),
  startedAt: z.string(),
  durationMs: z.number().nullable(),
  folder: z.string(),
  blockedBy: z
    .object({ error: z.string(), run: z.object({ runId: z.string(), folder: z.string() }).nullable() })
    .optional(),
})

const rowsOf = ({ runs }: RunAnswer): RunRow[] =>
  listed(runs).flatMap(row => (rowSchema.safeParse(row).data as RunRow | undefined) ?? [])

/** Names are printed in front of each line. */
const logSchema = z.object({ name: z.string().regex(/^[\w.-]+$/), bytes: z.number() })
const entrySchema = z.looseObject({ v: z.number(), seq: z.int(), at: z.string(), type: z.string() })

function entryOf(value: unknown): JournalEntry | null {
  const read = entrySchema.safeParse(value)
  if (!read.success) return null
  const { v, seq, at, ...event } = read.data
  return { v, seq, at, event: event as unknown as Event }
}

const isFailure = (value: unknown): value is Failure => typeof (value as Failure | null)?.code === 'string'
