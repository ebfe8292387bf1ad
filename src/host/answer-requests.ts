/** Answers questions about runs on this host: list, report, wait, events, journal, logs, confirm, cancel. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Failed } from '../failure.ts'
import { type Body, badRequest, failure } from '../hostlink/daemon/peers/answer.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { RunRequest } from '../hostlink/messages.ts'
import { withLimit } from '../process/with-limit.ts'
import { EXIT_OK, EXIT_REFUSED } from '../report/exit-code.ts'
import { RESULT_PREFIX, resultLine } from '../report/result-line.ts'
import { isStopping } from '../runs/interruption.ts'
import type { JournalEntry } from '../runs/journal-text.ts'
import { hasReport, mayLive } from '../runs/run-status.ts'
import type { RunReport } from '../runs/runs.ts'
import { journalBatches } from '../runs/watch-journal.ts'
import { sentence } from '../wording/word.ts'
import { hangsOnConfirmation } from './abandoned-runs.ts'
import { type AroundRuns, ownerOf } from './around-runs.ts'
import { offeredPlaybooks } from './offered-playbooks.ts'

type Around = AroundRuns & { readonly gone: AbortSignal; readonly token: Token }
type On<A extends RunRequest['action']> = Extract<RunRequest, { action: A }>

const LONGEST_WAIT_MS = 60_000
const POLL_MS = 200
const BEGINS_WITHIN_MS = 20_000
const STOPS_WITHIN_MS = 5000
const MOST_LISTED = 200
const MOST_OUTPUT_BYTES = 4 * 1024 * 1024

export async function answerRunRequest(
  request: Exclude<RunRequest, { action: 'start' | 'resume' | 'rollback' }>,
  around: Around,
): Promise<Body> {
  const { token } = around
  if (request.action === 'list') return around.inTurn(token, () => list(around))
  if (request.action === 'playbooks') return offeredPlaybooks(token, around)
  const { run_id: runId } = request
  if (!mayUse(token, runId, around)) return { status: 'not_found', error_msg: `no such run: ${runId}` }
  try {
    return await answerAbout(request, around)
  } catch (error) {
    if (error instanceof Failed) return failure(sentence(error.failure))
    throw error
  }
}

type AboutRun = Extract<
  Parameters<typeof answerRunRequest>[0],
  { action: 'report' | 'wait' | 'events' | 'journal' | 'logs' | 'confirm' | 'cancel' }
>

async function answerAbout(request: AboutRun, around: Around): Promise<Body> {
  const { run_id: runId } = request
  const inTurn = (read: () => Promise<Body>) => around.inTurn(around.token, read)
  switch (request.action) {
    case 'report':
      return inTurn(() => report(runId, around))
    case 'wait':
      return inPlace(around.token, () => wait(request, around))
    case 'events':
      return inPlace(around.token, () => events(request, around))
    case 'journal':
      return inPlace(around.token, () => inTurn(() => journal(request, around)))
    case 'logs':
      return inTurn(() => logs(request, around))
    case 'confirm':
      return acted(runId, async () => ({ ...(await around.runs.confirm(runId, around.by(around.token))) }))
    case 'cancel':
      return acted(runId, () => cancel(request, around))
  }
}

/** Each wait looks again and again: those of a token with a policy must not take the time of everybody else. */
const MOST_WAITS = 64
const waits = new Map<string, number>()

async function inPlace({ name, policy }: Token, work: () => Promise<Body>): Promise<Body> {
  const taken = waits.get(name) ?? 0
  if (policy.kind === 'full') return work()
  if (taken >= MOST_WAITS) return failure(`server busy, token ${name} has ${MOST_WAITS} waits already`)
  waits.set(name, taken + 1)
  return work().finally(() => waits.set(name, waits.get(name)! - 1))
}

export function mayUse({ name, policy }: Token, runId: string, { store }: AroundRuns): boolean {
  const request = store.read(runId)
  return policy.kind === 'full' ? request !== null || store.hasRun(runId) : request?.token === name
}

async function list(around: Around): Promise<Body> {
  const { token } = around
  const seesAll = token.policy.kind === 'full'
  const runs = await around.runs.list()
  const seen = seesAll ? runs : runs.filter(run => mayUse(token, run.runId, around))
  return { status: 'ok', runs: seen.slice(0, MOST_LISTED) }
}

/** A refusal to confirm or cancel is an answer, with its reason as data. */
async function acted(runId: string, act: () => Promise<object>): Promise<Body> {
  try {
    return { status: 'ok', run_id: runId, exit_code: EXIT_OK, ...(await act()) }
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return { status: 'ok', run_id: runId, exit_code: EXIT_REFUSED, failure: error.failure }
  }
}

/** A second signal would stop the rollback. That is for the host's owner to decide, who sees what is left then. */
async function cancel({ run_id, signal = 'TERM' }: On<'cancel'>, around: Around): Promise<object> {
  const { runs, store, token, by, gone } = around
  const send = () => runs.cancel(run_id, signal, by(token))
  if (token.policy.kind === 'full') await send()
  else
    await oneByOne(run_id, async () => {
      const events = await runs.events(run_id)
      const status = store.status(run_id)
      if (status !== null && mayLive(status) && isStopping(events)) return
      await send()
      // The next one would send another signal until the journal shows this one.
      const news = { after: events.length, signal: withLimit(gone, STOPS_WITHIN_MS) }
      for await (const batch of journalBatches(store.run(run_id), news))
        if (isStopping(batch.map(({ event }) => event))) return
    })
  return {}
}

const cancelling = new Map<string, Promise<void>>()

function oneByOne(runId: string, act: () => Promise<void>): Promise<void> {
  const turn = (cancelling.get(runId) ?? Promise.resolve()).then(act, act)
  cancelling.set(runId, turn)
  return turn.finally(() => {
    if (cancelling.get(runId) === turn) cancelling.delete(runId)
  })
}

const told = (runId: string, { status, report, exitCode, failure: why }: RunReport): Body => ({
  ...{ status: 'ok', run_id: runId, run_status: status, exit_code: exitCode, stdout: resultLine(report) },
  ...(why === null ? {} : { failure: why }),
})

/** From the run's folder. A run that could not even make one has printed how it ended, as its job's output shows. */
async function report(runId: string, around: Around, until = Date.now() + BEGINS_WITHIN_MS): Promise<Body> {
  const { store, runs, gone } = around
  if (store.hasRun(runId)) return told(runId, await runs.report(runId))
  const job = store.job(runId)
  const printed = job === null ? null : await printedBy(runId, job, around)
  if (printed === null) return noReport(runId)
  if (printed.done)
    return printed.body ?? failure(`run ${runId} did not begin: ${printed.why ?? 'no report'}`)
  // Its runner is starting: asked a moment later, there is a report.
  if (Date.now() >= until || gone.aborted) return failure(`run ${runId} has not begun yet`)
  await sleep(POLL_MS, undefined, { signal: gone }).catch(() => {})
  return report(runId, around, until)
}

const noReport = (runId: string): Body => ({
  status: 'not_found',
  error_msg: `run ${runId} has ended, and its report is kept no longer`,
})

/** The line that a runner has printed. Null if its job is not known any more; `body` is null if it printed none. */
async function printedBy(runId: string, job: string, { store, jobs }: Around) {
  const owner = ownerOf(store.read(runId)?.token ?? '')
  const info = await jobs.handle({ action: 'status', job_id: job }, owner)
  const from = { job_id: job, stream: 'stdout', offset: 0, max_bytes: MOST_OUTPUT_BYTES, wait_ms: 0 } as const
  const output = await jobs.handle({ action: 'tail', ...from }, owner)
  if (info.status !== 'ok' || output.data === undefined) return null
  const line = output.data.startsWith(RESULT_PREFIX) ? output.data : null
  const body: Body | null =
    line === null ? null : { status: 'ok', run_id: runId, exit_code: info.exit_code, stdout: line }
  return { done: info.done === true, body, why: info.error_msg }
}

async function wait({ run_id, job_id, timeout_ms }: On<'wait'>, around: Around): Promise<Body> {
  const limit = Math.min(Math.max(timeout_ms ?? LONGEST_WAIT_MS, 0), LONGEST_WAIT_MS)
  for (const deadline = Date.now() + limit; ; ) {
    const over = job_id === undefined ? await isOver(run_id, around) : await hasEnded(run_id, job_id, around)
    if (over) {
      const body = await reportBy(run_id, job_id, around)
      return body.status === 'ok' ? { ...body, done: true } : body
    }
    const left = deadline - Date.now()
    if (left <= 0 || around.gone.aborted) return { status: 'ok', run_id, done: false }
    await sleep(Math.min(POLL_MS, left), undefined, { signal: around.gone }).catch(() => {})
  }
}

/** The line that one runner ended with, or the run's own report if it printed none. */
async function reportBy(runId: string, job: string | undefined, around: Around): Promise<Body> {
  const printed = job === undefined ? null : await printedBy(runId, job, around)
  return printed?.body ?? around.inTurn(around.token, () => report(runId, around))
}

/** One runner, whatever came before it. If it cannot be found, it has ended. */
async function hasEnded(runId: string, job: string, { store, jobs }: Around): Promise<boolean> {
  const owner = store.read(runId)?.token
  if (owner === undefined) return true
  const info = await jobs.handle({ action: 'status', job_id: job }, ownerOf(owner))
  return info.status !== 'ok' || info.done === true
}

async function isOver(runId: string, { store, jobs, runs }: Around): Promise<boolean> {
  const status = store.status(runId)
  if (status !== null && (hasReport(status) || mayLive(status))) return hasReport(status)
  const request = store.read(runId)
  const job = store.job(runId)
  if (request !== null && job !== null) {
    const info = await jobs.handle({ action: 'status', job_id: job }, ownerOf(request.token))
    if (info.status === 'ok' && !info.done) return false
  }
  const now = store.status(runId)
  if (now === null || hasReport(now)) return true
  // Another runner continues it soon.
  return !hangsOnConfirmation(await runs.events(runId))
}

/** What the runner tells while it works: the stderr of its job. The words of another runner begin at 0. */
async function events(request: On<'events'>, { store, jobs, gone: signal }: Around): Promise<Body> {
  const { run_id, job_id, offset = 0, max_bytes, wait_ms } = request
  const owner = store.read(run_id)
  const job = store.job(run_id)
  if (owner === null || job === null)
    return { status: 'not_found', error_msg: `nobody can follow run ${run_id}` }
  const from = job_id === undefined || job_id === job ? offset : 0
  const tail = await jobs.handle(
    { action: 'tail', job_id: job, stream: 'stderr', offset: from, max_bytes, wait_ms },
    ownerOf(owner.token),
    signal,
  )
  if (tail.status !== 'ok')
    return { status: tail.status, ...(tail.error_msg ? { error_msg: tail.error_msg } : {}) }
  const { data, next_offset, binary, done } = tail
  return { status: 'ok', run_id, job_id: job, data, offset: from, next_offset, binary, done }
}

/** The events behind `after`. Waits for the next ones, if it is told to and the run has not ended. */
async function journal(
  { run_id, after = 0, wait_ms = 0 }: On<'journal'>,
  { store, gone }: Around,
): Promise<Body> {
  const answer = (entries: readonly JournalEntry[], done: boolean): Body => ({
    ...{ status: 'ok', run_id, done },
    entries: entries.map(({ event, ...entry }) => ({ ...entry, ...event })),
  })
  const follow = wait_ms > 0
  const signal = follow ? withLimit(gone, Math.min(wait_ms, LONGEST_WAIT_MS)) : gone
  for await (const batch of journalBatches(store.run(run_id), { after, follow, signal }))
    return answer(batch, false)
  return answer([], !signal.aborted)
}

/** Names of the steps' logs with their sizes, or bytes of one of them from `offset` on, in base64. */
async function logs({ run_id, file, offset = 0 }: On<'logs'>, { runs, store }: Around): Promise<Body> {
  const files = store.hasRun(run_id) ? await runs.logs(run_id) : []
  if (file === undefined) return { status: 'ok', run_id, files }
  if (!files.some(({ name }) => name === file)) return badRequest('file: is no log of this run')
  const chunk = await runs.readLog(run_id, file, offset)
  const data = chunk.toString('base64')
  return { status: 'ok', run_id, data, offset, next_offset: offset + chunk.length }
}
