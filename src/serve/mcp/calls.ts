/** What the tools do. Runs live at the host: neither the end of a call nor that of this server is theirs. */
import { endedHere, endOfError, lost } from '../../app/at-host/ended-at-host.ts'
import { startAtHost } from '../../app/at-host/start-at-host.ts'
import { clock } from '../../app/clock.ts'
import type { StartOptions } from '../../app/start-options.ts'
import type { Ended, Watcher } from '../../app/watcher.ts'
import type { Event } from '../../engine/events.ts'
import { newRunId } from '../../engine/run-id.ts'
import { Failed } from '../../failure.ts'
import { withLimit } from '../../process/with-limit.ts'
import { isStopping } from '../../runs/interruption.ts'
import { isSilence } from '../../runs/refusal-code.ts'
import type { RunReport, Runs } from '../../runs/runs.ts'
import { runsAt } from '../../runs/runs-at.ts'
import { printable } from '../../wording/printable.ts'
import { after, listAnswer, reportAnswer, type ToolAnswer, textAnswer } from './answers.ts'
import { noArguments, runArgument, type StartArguments, startArguments, waitArguments } from './arguments.ts'
import { type ServedPlace, withServedHost } from './place.ts'
import { awaitedStep, stepWords } from './progress.ts'
import type { Offer } from './tools.ts'

export type Call = {
  readonly place: ServedPlace
  /** Aborts when the client has cancelled the call, or is gone. */
  readonly signal: AbortSignal
  /** Null where the client has not asked for it. */
  readonly progress: ((words: string) => void) | null
  /** One at a time, of all calls. */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>
}

type Act = (given: unknown, call: Call) => Promise<ToolAnswer>

/** Clients give up after a minute. */
const ANSWER_MS = 50_000
const GRACE_MS = 5000
const CHECK_MS = 45_000
const MOST_LISTED = 50
const STOPS_WITHIN_MS = 5000

const SILENT: Watcher = { ready: async () => {}, event: () => {}, note: () => {} }

export const startRunOf = (
  find: () => Promise<Offer | null>,
  given: unknown,
  call: Call,
): Promise<ToolAnswer> =>
  refused(newRunId(clock.now()), call.place, true, async () => {
    const offer = await find()
    return offer === null ? textAnswer(GONE, true) : started(offer, startArguments(given), call)
  })

const GONE = 'There is no such tool (any more). List the tools again.'

async function started({ playbook }: Offer, given: StartArguments, call: Call): Promise<ToolAnswer> {
  const { place, signal } = call
  const { isCheck: check, ...chosen } = given
  const { around, openHost, target } = place
  const options: StartOptions = { ...place.options, ...chosen, target, check, input: [], rollback: true }
  const began = Date.now()
  const run = startAtHost({
    ...{ name: playbook.name, options, detach: true, wrong: null, around, openHost },
    watcher: SILENT,
  })
  // Asked for no longer than a client waits; whether the host has heard of it is then not known.
  const limit = setTimeout(() => run.interrupt('SIGTERM'), ANSWER_MS)
  const ended = await run.ended.finally(() => clearTimeout(limit))
  const { report } = ended.kind === 'told' ? ended.told : ended.ended
  // A run that had been started before may have ended.
  if (ended.kind === 'told' || (check && report.outcome === 'started' && !signal.aborted))
    return waitFor(report.runId, Math.max(0, CHECK_MS - (Date.now() - began)), call)
  return ownAnswer(ended.ended)
}

export const RUN_ACTS: ReadonlyMap<string, Act> = new Map<string, Act>([
  ['list_runs', listRuns],
  ['report_run', aboutRun(reported, false)],
  ['wait_run', waitRun],
  ['cancel_run', aboutRun(cancel, true)],
  ['confirm_run', aboutRun(confirm, true)],
])

async function listRuns(given: unknown, { place, signal }: Call): Promise<ToolAnswer> {
  noArguments(given)
  const limit = withLimit(signal, ANSWER_MS)
  const rows = await withServedHost(place, limit, host => runsAt(host, limit).list())
  return listAnswer(rows.slice(0, MOST_LISTED))
}

async function waitRun(given: unknown, call: Call): Promise<ToolAnswer> {
  const { runId, waitMs } = waitArguments(given)
  return refused(runId, call.place, false, () => waitFor(runId, waitMs, call))
}

/** Events are waited for until the time is over, their host a little longer for what is known then. */
async function waitFor(
  runId: string,
  waitMs: number,
  { place, signal, progress }: Call,
): Promise<ToolAnswer> {
  const deadline = Date.now() + waitMs
  const limit = withLimit(signal, waitMs + GRACE_MS)
  return withServedHost(place, limit, async host => {
    const runs = runsAt(host, limit)
    const events = await runs.events(runId)
    const isPaused = await follow(runsAt(host, withLimit(signal, waitMs)), runId, events, progress)
    const left = isPaused ? 0 : Math.max(0, deadline - Date.now())
    return answerWith((await runs.wait(runId, left)) ?? (await runs.report(runId)), events)
  })
}

/** Adds to the events until the run has ended. Whether it came to a step that the caller may confirm before that. */
async function follow(
  runs: Runs,
  runId: string,
  events: Event[],
  progress: Call['progress'],
): Promise<boolean> {
  const words = stepWords()
  // Earlier events are reported in one word.
  const last = events.map(words).findLast(word => word !== null)
  if (last) progress?.(last)
  if (awaitedStep(events)?.isOthers === false) return true
  return watch(runs, runId, events.length, event => {
    events.push(event)
    const word = words(event)
    if (word !== null) progress?.(word)
    return event.type === 'confirm-awaited'
  })
}

/** Whether `see` was true of an event. Otherwise the run has ended, or nobody waits any longer. */
async function watch(
  runs: Runs,
  runId: string,
  after: number,
  see: (event: Event) => boolean,
): Promise<boolean> {
  try {
    for await (const { event } of runs.watch(runId, { after, follow: true })) if (see(event)) return true
  } catch (error) {
    // Why a host is silent, what is asked next will tell.
    if (!(error instanceof Failed)) throw error
  }
  return false
}

type OneRun = {
  runId: string
  runs: Runs
  /** The same, for no longer than that. */
  runsFor(ms: number): Runs
  inTurn: Call['inTurn']
}

/** `isAct`: it changes the run, or fails to. */
function aboutRun(work: (run: OneRun) => Promise<ToolAnswer>, isAct: boolean): Act {
  return async (given, { place, signal, inTurn }) => {
    const runId = runArgument(given)
    return refused(runId, place, isAct, () =>
      withServedHost(place, withLimit(signal, ANSWER_MS), host => {
        const runsFor = (ms: number) => runsAt(host, withLimit(signal, ms))
        return work({ runId, runs: runsFor(ANSWER_MS), runsFor, inTurn })
      }),
    )
  }
}

async function reported({ runId, runs }: OneRun): Promise<ToolAnswer> {
  return answerWith(await runs.report(runId), await runs.events(runId))
}

/** Sent once: a second request would stop the rollback, which is for a person to decide. */
function cancel(run: OneRun): Promise<ToolAnswer> {
  const { runId, runs } = run
  return run.inTurn(async () => {
    const events = await runs.events(runId)
    if (isStopping(events)) return after('It is being stopped already, or rolls back.', await reported(run))
    await runs.cancel(runId, 'TERM')
    await watch(run.runsFor(STOPS_WITHIN_MS), runId, events.length, event => isStopping([event]))
    return after('It was told to stop and to roll back.', await reported(run))
  })
}

async function confirm(run: OneRun): Promise<ToolAnswer> {
  const { step, already } = await run.runs.confirm(run.runId)
  const done = `Step ${printable(step)} ${already ? 'was confirmed already' : 'is confirmed'}.`
  return after(done, await reported(run))
}

const answerWith = ({ report, exitCode, status }: RunReport, events: readonly Event[]): ToolAnswer =>
  reportAnswer({ report, exitCode, isOpen: status === 'running' || status === 'unseen', events })

/** A report also of what could not be done: a caller that parses it learns whether anything was. */
async function refused(
  runId: string,
  { target }: ServedPlace,
  isAct: boolean,
  work: () => Promise<ToolAnswer>,
): Promise<ToolAnswer> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    const head = { runId, playbook: null, target, dryRun: false, startedAt: clock.now() }
    // An act that did not reach the host changed nothing; a question leaves the end of its run unknown.
    const end = !isAct && isSilence(error) ? lost(error.failure) : endOfError(error)
    return ownAnswer(endedHere(end, head).ended)
  }
}

/** For what is known here alone. */
const ownAnswer = ({ report, exitCode }: Ended): ToolAnswer =>
  reportAnswer({ report, exitCode, isOpen: report.outcome === 'unknown', events: [] })
