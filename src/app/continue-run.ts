/** Resumes a run whose runner is gone, or rolls one back. */
import { join } from 'node:path'
import type { Json } from '../document/json.ts'
import { parseDuration } from '../duration.ts'
import type { Outcome } from '../engine/events.ts'
import { progressAfter } from '../engine/progress.ts'
import { runPlan, startRollback } from '../engine/run.ts'
import type { RunEnd, RunInput } from '../engine/run-input.ts'
import { Failed, type Failure } from '../failure.ts'
import type { Report } from '../report/report-schema.ts'
import { callerOf } from '../runs/caller.ts'
import { awaitConfirmIn } from '../runs/confirmation.ts'
import { lockInput } from '../runs/lock-holder.ts'
import { hasSettled, mayLive } from '../runs/run-status.ts'
import { takeOver } from '../runs/runner-lock.ts'
import type { Verb } from '../runs/runs.ts'
import { type RunEntry, readRun, unwritable } from '../runs/runs-folder.ts'
import { runsHere } from '../runs/runs-here.ts'
import { type Kept, readKept } from '../runs/stored-plan.ts'
import { hasRunner, notBegun } from '../runs/stored-report.ts'
import { kinds } from '../steps/index.ts'
import type { Transport } from '../transport/transport.ts'
import { clock } from './clock.ts'
import { connectTo } from './connect-to.ts'
import { environment } from './environment.ts'
import { type EventSink, makeSink } from './event-sink.ts'
import { endOf, type Interrupts, makeInterrupts } from './interrupts.ts'
import { openRun } from './open-run.ts'
import { refusedAttempt } from './refused-attempt.ts'
import { secretInputs } from './secret-inputs.ts'
import { ownIdsHere } from './self-upgrade/own-container.ts'
import { standBy, takeSecrets } from './stand-by.ts'
import { waitLockProblem } from './start-options.ts'
import type { Around, Ended, Operation, Watcher } from './watcher.ts'

export type ContinueOptions = {
  input: string[]
  inputs?: string
  asHost?: boolean
  /** For whom this process was started, as JSON. */
  caller?: string
  /** Somebody knows that a runner which cannot be seen from here is gone. */
  runnerGone?: boolean
  assume?: 'done' | 'not-done'
  waitLock?: string
  /** `rollback` only: once the runner of the run is gone, and only if it has left no report. */
  standBy?: boolean
  /** `rollback` only: continue although something of the rollback set is gone. */
  rebuild?: boolean
  config?: string
}

export type Continued =
  | { kind: 'ended'; ended: Ended }
  /** Nothing was done. `run` is null if there is none of that name. */
  | { kind: 'refused'; ended: Ended; run: RunEntry | null }
  /** The run has ended already, so that nothing is left to do. */
  | { kind: 'over'; run: RunEntry }

type Request = {
  verb: Verb
  given: string
  options: ContinueOptions
  around: Around
  watcher: Watcher
}

export function continueRun(request: Request): Operation<Continued> {
  const interrupts = makeInterrupts()
  return { ended: continued(request, interrupts), interrupt: interrupts.interrupt }
}

async function continued(request: Request, interrupts: Interrupts): Promise<Continued> {
  const { verb, given, options, around } = request
  let opened: { state: string; run: RunEntry }
  try {
    const wrong = waitLockProblem(options)
    if (wrong) throw new Failed(wrong)
    opened = await openRun(given, options, around, verb)
  } catch (error) {
    if (error instanceof Failed)
      return { kind: 'refused', ended: refusedAttempt(given, error.failure), run: null }
    throw error
  }
  if (options.standBy) {
    await runsHere(opened.state).wait(opened.run.head.runId, Number.POSITIVE_INFINITY)
    opened = { ...opened, run: readRun(opened.run.folder) ?? opened.run }
    if (opened.run.status !== 'cut-off') return { kind: 'over', run: opened.run }
  }
  const taken = take(opened.run, request)
  return taken.kind === 'taken' ? goOn({ ...request, ...opened, run: taken.run, interrupts }) : taken
}

/** Nobody else can continue the run until this process ends. */
function take(found: RunEntry, { verb, options }: Request): Continued | { kind: 'taken'; run: RunEntry } {
  const isGone = options.runnerGone === true || options.asHost === true
  if (mayLive(found.status) && !(found.status === 'unseen' && isGone)) return refuse(found, hasRunner(found))
  if (isOver(verb, found)) return { kind: 'over', run: found }
  try {
    if (!takeOver(found.folder, isGone)) return refuse(found, hasRunner(readRun(found.folder) ?? found))
  } catch (error) {
    return refuse(found, unwritable(found.folder, error))
  }
  // As it is now that nobody else can change it.
  const run = readRun(found.folder) ?? found
  return isOver(verb, run) ? { kind: 'over', run } : { kind: 'taken', run }
}

const refuse = (run: RunEntry, failure: Failure): Continued => ({
  ...{ kind: 'refused', run },
  ended: refusedAttempt(run, failure),
})

async function goOn(
  work: Request & { state: string; run: RunEntry; interrupts: Interrupts },
): Promise<Continued> {
  const { state, run, options, around, watcher } = work
  const sink = sinkOf(run, watcher)
  if (run.status === 'not-started') {
    sink.goOnIn(state, run, [])
    return { kind: 'ended', ended: sink.end(notBegun(run.head.runId)) }
  }
  try {
    const { keepHeapSmall } = await import('../process/v8-flags.ts')
    keepHeapSmall()
    const kept = readKept(run)
    const inputs = options.standBy
      ? { ...kept.plan.inputs, ...takeSecrets() }
      : await secretInputs(kept, options, around)
    sink.goOnIn(state, run, kept.events)
    const end = await onTarget({ ...work, kept, inputs, sink })
    if (end.idle && end.failure && (end.refused || isKept(run, end.failure))) {
      sink.standDown(run.head)
      return refuse(run, end.failure)
    }
    return { kind: 'ended', ended: sink.end(end) }
  } catch (error) {
    if (error instanceof Failed) return refuse(run, error.failure)
    watcher.note({ kind: 'fault', error })
    const problem = error instanceof Error ? error.message : String(error)
    const failure: Failure = { code: 'internal', problem }
    return { kind: 'ended', ended: sink.end({ outcome: 'unknown', failedStep: null, failure }) }
  }
}

/** An attempt that did nothing replaces no verdict, and an interrupted wait does not give a run its end. */
const isKept = ({ report }: RunEntry, { code }: Failure): boolean =>
  (report !== null && report.outcome !== 'unknown') || code === 'interrupted'

/** Asked a second time, both verbs answer with the report of the first. */
function isOver(verb: Verb, { report, status }: RunEntry): boolean {
  if (report === null || !hasSettled(status)) return false
  const isBack = report.rollbackVerified === true || isBackUnseen(report)
  return verb === 'resume' || NOTHING_TO_TAKE_BACK.has(report.outcome) || isBack
}

/** Rolled back to the end, with steps of which nothing can be seen. */
const isBackUnseen = ({ rollbackVerified, notVerified }: Report): boolean =>
  rollbackVerified === null && (notVerified ?? []).length > 0

const NOTHING_TO_TAKE_BACK: ReadonlySet<Outcome> = new Set([
  'rolled-back',
  'failed-unchanged',
  'planned',
  'invalid',
  'refused',
  'unreachable',
])

function sinkOf({ head }: RunEntry, watcher: Watcher): EventSink {
  const { runId, playbook, target } = head
  return makeSink({ runId, playbook, target, dryRun: false, startedAt: Date.parse(head.startedAt) }, watcher)
}

type Work = Request & {
  state: string
  run: RunEntry
  kept: Kept
  inputs: { [name: string]: Json }
  sink: EventSink
  interrupts: Interrupts
}

async function onTarget(work: Work): Promise<RunEnd> {
  const { verb, state, run, kept, inputs, options, around, sink, interrupts, watcher } = work
  const jobsFolder = join(state, 'jobs')
  const connected = await connectTo(kept.plan.target, { env: around.env, jobsFolder, interrupts })
  // Nothing more is known than before: the run stays as open as it was.
  if (!connected.ok) return { outcome: 'unknown', failedStep: null, failure: connected.failure, idle: true }
  const { transport } = connected
  try {
    await refuseToEndItself(work, transport)
    const waitMs = parseDuration(options.waitLock ?? '0s') ?? 0
    const input: RunInput = {
      runId: run.head.runId,
      plan: kept.plan,
      playbook: kept.playbook,
      kinds,
      inputs,
      env: environment(kept.playbook, around),
      transport,
      clock,
      caller: callerOf(options.caller, kept.plan.target),
      emit: sink.emit,
      record: sink.record,
      lock: lockInput(run.head.runId, state, waitMs, clock.now()),
      recovered: progressAfter(kept.events),
      assume: options.assume,
      rebuild: options.rebuild,
      awaitConfirm: options.asHost ? awaitConfirmIn(run.folder) : undefined,
    }
    sink.openJournal()
    await watcher.ready()
    const running = verb === 'resume' ? runPlan(input) : startRollback(input)
    const { runId } = run.head
    const onEnding = () => {
      const by = standBy({ runId, state, playbook: kept.playbook, inputs, env: around.env })
      if (by) watcher.note({ kind: 'stands-by', runId })
      return by
    }
    const isTakenBack = (verb === 'rollback' || kept.plan.onFailure === 'rollback') && !options.asHost
    const control = { interrupts, folder: run.folder, ...(isTakenBack ? { onEnding } : {}) }
    return await endOf(running, control)
  } finally {
    await transport.close()
  }
}

/** As before a run. Throws before anything is written, so that the run stays as it is. */
async function refuseToEndItself(
  { verb, state, run, kept, options }: Work,
  transport: Transport,
): Promise<void> {
  if (options.asHost || ownIdsHere().length === 0) return
  const begun = kept.events.flatMap(event => (event.type === 'step-started' ? [event.id] : []))
  const steps = kept.plan.steps.filter(({ id }) => verb === 'resume' || begun.includes(id))
  const { selfUpgrade } = await import('./self-upgrade/preflight.ts')
  const command = `from outside of it: HOSTOPS_STATE_DIR=${state} hostops ${verb} ${run.head.runId}`
  const { failure } = await selfUpgrade({ ...kept.plan, steps }, transport, command)
  if (failure?.code === 'self-upgrade' && failure.who === 'runner') throw new Failed(failure)
}
