/** `hostops resume` and `hostops rollback`: go on with a run whose runner is gone, or take one back. */
import { join } from 'node:path'
import type { Json } from '../../document/json.ts'
import { parseDuration } from '../../duration.ts'
import type { Outcome } from '../../engine/events.ts'
import { recover } from '../../engine/recover.ts'
import { startRollback, startRun } from '../../engine/run.ts'
import type { RunEnd, RunInput } from '../../engine/run-input.ts'
import { Failed, type Failure } from '../../failure.ts'
import type { Report } from '../../report/schema.ts'
import { callerOf } from '../../runs/caller.ts'
import { awaitConfirmIn } from '../../runs/confirmation.ts'
import { takeInterruption } from '../../runs/interruption.ts'
import { lockInput } from '../../runs/lock-holder.ts'
import { isHere } from '../../runs/runner-identity.ts'
import { takeOver } from '../../runs/runner-lock.ts'
import { isSettled, type RunEntry, readRun, unwritable } from '../../runs/runs-folder.ts'
import { type Kept, neverBegan, readKept } from '../../runs/stored-plan.ts'
import { kinds } from '../../steps/index.ts'
import type { Transport } from '../../transport/transport.ts'
import { isGood } from '../../ui/words.ts'
import { clock } from '../clock.ts'
import { connectTo } from '../connect-to.ts'
import { environment } from '../environment.ts'
import { chooseFace } from '../faces.ts'
import type { Io } from '../io.ts'
import { waitLockProblem } from '../run-options.ts'
import { ownIdsHere } from '../self-upgrade/own-container.ts'
import { catchSignals } from '../signals.ts'
import { tellAttempt } from '../state/attempt-line.ts'
import { openOne } from '../state/open-state.ts'
import { makeRecorder, type Recorder } from '../state/record.ts'
import { secretInputs } from '../state/secret-inputs.ts'
import { notBegun, printReport, runnerUnseen } from '../state/stored-report.ts'

export type ResumeOptions = {
  input: string[]
  inputs?: string
  asHost?: boolean
  caller?: string
  /** A runner that cannot be seen from here is known to be no more. */
  runnerGone?: boolean
  assume?: 'done' | 'not-done'
  waitLock?: string
  output: 'auto' | 'tree' | 'lines' | 'json'
  quiet?: boolean
  /** `rollback` only. */
  check?: boolean
  /** `rollback` only: go on although something of the rollback set is gone. */
  rebuild?: boolean
  config?: string
}

export const resume = (given: string, options: ResumeOptions, io: Io): Promise<number> =>
  goOn('resume', given, options, io)

export const rollback = (given: string, options: ResumeOptions, io: Io): Promise<number> =>
  goOn('rollback', given, options, io)

type Verb = 'resume' | 'rollback'

async function goOn(verb: Verb, given: string, options: ResumeOptions, io: Io): Promise<number> {
  const wrong = waitLockProblem(options)
  if (wrong) return tellAttempt(given, wrong, options, io)
  const opened = openOne(given, options, io, verb)
  if (!opened.ok) return tellAttempt(given, opened.failure, options, io)
  const { state, run: found } = opened
  const refuse = (failure: Failure, run = found) => tellAttempt(run, failure, options, io)
  const isGone = options.runnerGone === true || options.asHost === true
  if (found.alive && !(found.unseen && isGone)) return refuse(hasRunner(found))
  if (isDone(verb, found)) return nothingDone(found, options, io)
  try {
    if (!takeOver(found.folder, isGone)) return refuse(hasRunner(readRun(found.folder) ?? found))
  } catch (error) {
    return refuse(unwritable(found.folder, error))
  }
  // As it is now that nobody else can change it.
  const run = readRun(found.folder) ?? found
  if (isDone(verb, run)) return nothingDone(run, options, io)
  const recorder = recorderOf(run, options, io)
  if (neverBegan(run)) {
    recorder.goOnIn(state, run, [])
    return recorder.finish(notBegun(run.head.runId))
  }
  try {
    const { keepHeapSmall } = await import('../../process/v8-flags.ts')
    keepHeapSmall()
    const kept = readKept(run)
    const inputs = await secretInputs(kept, options, io)
    recorder.goOnIn(state, run, kept.events)
    const end = await onTarget(verb, { state, run, kept, inputs, options, io }, recorder)
    if (end.idle && end.failure && (end.refused || isKept(run, end.failure))) {
      await recorder.standDown(run.head)
      return refuse(end.failure, run)
    }
    const code = await recorder.finish(end)
    if (options.asHost) (await import('../on-host/forget-values.ts')).forgetValues(run.head.runId, io)
    return code
  } catch (error) {
    if (error instanceof Failed) return refuse(error.failure, run)
    io.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
    const problem = error instanceof Error ? error.message : String(error)
    return recorder.finish({ outcome: 'unknown', failedStep: null, failure: { code: 'internal', problem } })
  }
}

/** Who did nothing takes no verdict away from a run that has one, and an interrupted wait is no end of one that has none. */
const isKept = ({ report }: RunEntry, { code }: Failure): boolean =>
  (report !== null && report.outcome !== 'unknown') || code === 'interrupted'

/** Asked a second time, both answer with the report of the first. */
function isDone(verb: Verb, run: RunEntry): boolean {
  const { report } = run
  if (report === null || !isSettled(run)) return false
  const isBack = report.rollbackVerified === true || isBackUnseen(report)
  return verb === 'resume' || NOTHING_TO_TAKE_BACK.has(report.outcome) || isBack
}

function nothingDone(run: RunEntry, { quiet = false, output }: ResumeOptions, io: Io): number {
  const isTold = output === 'json' || (quiet && run.report !== null && isGood(run.report.outcome))
  if (!isTold) io.stderr.write(`${run.head.runId} has ended already: nothing was done\n`)
  return printReport(run, io, isTold)
}

/** Taken back to the end, with steps of it that nothing can be seen of. */
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

type Work = {
  state: string
  run: RunEntry
  kept: Kept
  inputs: { [name: string]: Json }
  options: ResumeOptions
  io: Io
}

function recorderOf({ head }: RunEntry, options: ResumeOptions, io: Io): Recorder {
  return makeRecorder(
    {
      runId: head.runId,
      playbook: head.playbook,
      target: head.target,
      dryRun: false,
      startedAt: Date.parse(head.startedAt),
    },
    { json: options.output === 'json', quiet: options.quiet === true, reportFile: undefined },
    io,
    clock.now,
  )
}

async function onTarget(verb: Verb, work: Work, recorder: Recorder): Promise<RunEnd> {
  const { state, run, kept, inputs, options, io } = work
  const signals = catchSignals()
  try {
    const connected = await connectTo(kept.plan.target, { io, jobsFolder: join(state, 'jobs'), signals })
    // Nothing is known now that was not known before: the run stays as open as it was.
    if (!connected.ok) return { outcome: 'unknown', failedStep: null, failure: connected.failure, idle: true }
    const { transport } = connected
    try {
      await refuseToEndItself(verb, work, transport)
      const waitMs = parseDuration(options.waitLock ?? '0s') ?? 0
      const input: RunInput = {
        runId: run.head.runId,
        plan: kept.plan,
        playbook: kept.playbook,
        kinds,
        inputs,
        env: environment(kept.playbook, io),
        transport,
        clock,
        caller: callerOf(options.caller, kept.plan.target),
        emit: recorder.emit,
        record: recorder.record,
        lock: lockInput(run.head.runId, state, waitMs, clock.now()),
        recovered: recover(kept.events),
        assume: options.assume,
        rebuild: options.rebuild,
        awaitConfirm: options.asHost ? awaitConfirmIn(run.folder) : undefined,
      }
      recorder.openJournal()
      recorder.show(await chooseFace(options, io, clock.now))
      const running = verb === 'resume' ? startRun(input) : startRollback(input)
      signals.handle(signal => running.control.interrupt(signal, takeInterruption(run.folder)))
      return await running.ended
    } finally {
      await transport.close()
    }
  } finally {
    signals.dispose()
  }
}

export const hasRunner = (run: RunEntry): Failure =>
  run.unseen
    ? runnerUnseen(run)
    : { code: 'has-a-runner', runId: run.head.runId, pid: isHere(run.head) ? run.head.pid : null }

/** As before a run. Throws before anything is written, so that the run stays as it is. */
async function refuseToEndItself(
  verb: Verb,
  { state, run, kept, options }: Work,
  transport: Transport,
): Promise<void> {
  if (options.asHost || ownIdsHere().length === 0) return
  const begun = kept.events.flatMap(event => (event.type === 'step-started' ? [event.id] : []))
  const steps = kept.plan.steps.filter(({ id }) => verb === 'resume' || begun.includes(id))
  const { selfUpgrade } = await import('../self-upgrade/preflight.ts')
  const command = `from outside of it: HOSTOPS_STATE_DIR=${state} hostops ${verb} ${run.head.runId}`
  const { failure } = await selfUpgrade({ ...kept.plan, steps }, transport, command)
  if (failure?.code === 'self-upgrade' && failure.who === 'runner') throw new Failed(failure)
}
