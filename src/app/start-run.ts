/** Starts a run. Whatever happens, it ends with a report. */
import { join } from 'node:path'
import { parseDuration } from '../duration.ts'
import { startCheck } from '../engine/check-plan.ts'
import { leftOutWarnings, type Plan, startEvent, warningEvents } from '../engine/plan.ts'
import { runPlan } from '../engine/run.ts'
import { isRunId, newRunId } from '../engine/run-id.ts'
import type { RunEnd, RunInput } from '../engine/run-input.ts'
import { Failed, type Failure } from '../failure.ts'
import type { Settings } from '../playbook/settings.ts'
import type { ReportHead } from '../report/report-draft.ts'
import { callerOf } from '../runs/caller.ts'
import { awaitConfirmIn } from '../runs/confirmation.ts'
import { lockInput } from '../runs/lock-holder.ts'
import { DEFAULT_KEEP, stateDir } from '../runs/runs-folder.ts'
import { confirm, ONLY_ON_HOST } from '../steps/confirm.ts'
import { kinds } from '../steps/index.ts'
import type { Transport } from '../transport/transport.ts'
import { clock } from './clock.ts'
import { connectTo } from './connect-to.ts'
import { type EventSink, makeSink } from './event-sink.ts'
import { endOf, type Interrupts, makeInterrupts, unlessInterrupted } from './interrupts.ts'
import { onHostCommand } from './on-host-command.ts'
import { type Prepared, prepare } from './prepare.ts'
import { readSettings } from './read-settings.ts'
import { ownIdsHere } from './self-upgrade/own-container.ts'
import type { Preflight } from './self-upgrade/preflight.ts'
import { standBy } from './stand-by.ts'
import { type StartOptions, wrongStart } from './start-options.ts'
import type { Around, Ended, Operation, Watcher } from './watcher.ts'

type Started = Operation<Ended> & {
  readonly runId: string
  /** Removes old runs. Called after the end has been told, so that nobody waits for it. */
  tidy(): void
}

type Start = {
  name: string
  options: StartOptions
  /** A mistake that the caller has found already: the run ends with it. */
  wrong: Failure | null
  around: Around
  watcher: Watcher
}

/** `sink` and `interrupts` of this one run. */
type Work = Start & { sink: EventSink; interrupts: Interrupts }

export function startRun(start: Start): Started {
  const sink = makeSink(headOf(start.options), start.watcher)
  const interrupts = makeInterrupts()
  return {
    runId: sink.head.runId,
    ended: attemptToEnd({ ...start, sink, interrupts }).then(sink.end),
    interrupt: interrupts.interrupt,
    tidy: sink.tidy,
  }
}

function headOf({ runId, dryRun, check }: StartOptions): ReportHead {
  const startedAt = clock.now()
  return {
    runId: runId !== undefined && isRunId(runId) ? runId : newRunId(startedAt),
    playbook: null,
    target: null,
    dryRun: dryRun === true || check === true,
    startedAt,
  }
}

async function attemptToEnd(work: Work): Promise<RunEnd> {
  let engineBegan = false
  const began = () => {
    engineBegan = true
  }
  try {
    return await Promise.race([attempt(work, began), work.around.fault])
  } catch (error) {
    // An expected failure before the engine has started is a failure of what the run was given.
    if (error instanceof Failed && !engineBegan) {
      const { failure } = error
      return failure.code === 'state-unwritable' ? refused(failure) : invalid(failure)
    }
    work.watcher.note({ kind: 'fault', error })
    const problem = error instanceof Error ? error.message : String(error)
    const outcome = engineBegan ? 'unknown' : 'failed-unchanged'
    return { outcome, failedStep: null, failure: { code: 'internal', problem } }
  }
}

async function attempt(work: Work, began: () => void): Promise<RunEnd> {
  const { name, options, around, watcher, sink, interrupts } = work
  const read = readSettings(options, around)
  const { stateDir: given, keepRuns, keepDays }: Partial<Settings> = read.ok ? read.settings : {}
  const state = stateDir(around, given)
  const keep = { runs: keepRuns ?? DEFAULT_KEEP.runs, days: keepDays ?? DEFAULT_KEEP.days }
  const created = sink.open(state, keep)
  const settings = usable(read, created, work)
  const { keepHeapSmall } = await import('../process/v8-flags.ts')
  keepHeapSmall()
  const prepared = await unlessInterrupted(interrupts, prepare(name, options, settings, around))
  if (prepared === null) return notConnected({ code: 'interrupted', signal: interrupts.first! })
  sink.know(prepared.ok ? prepared.plan : { playbook: prepared.name, target: prepared.target })
  if (!prepared.ok) {
    watcher.note({ kind: 'mistakes', diagnostics: prepared.diagnostics })
    return invalid(prepared.failure)
  }
  if (!created.ok && !created.used) {
    if (!options.dryRun) return refused(created.failure)
    watcher.note({ kind: 'warning', failure: created.failure })
  }
  if (options.dryRun) return dryRun(prepared, work)
  const unconfirmable = options.asHost || options.check ? null : confirmStep(prepared.plan)
  if (unconfirmable) return refused(unconfirmable)
  return onTarget(prepared, { ...work, state, began })
}

/** Throws `Failed` for what is wrong before the playbook is looked at. */
function usable(
  read: ReturnType<typeof readSettings>,
  created: ReturnType<EventSink['open']>,
  { wrong, options, around, watcher, sink }: Work,
): Settings {
  if (wrong) throw new Failed(wrong)
  if (!created.ok && created.used)
    throw new Failed({ code: 'usage', what: 'run-id-used', runId: sink.head.runId })
  if (!read.ok) {
    watcher.note({ kind: 'mistakes', diagnostics: read.diagnostics })
    throw new Failed(read.failure)
  }
  const mistake = wrongStart(options, around.cwd)
  if (mistake) throw new Failed(mistake)
  return read.settings
}

/** Refused before the first change, not after the last one. */
function confirmStep({ steps }: Plan): Failure | null {
  const step = steps.find(({ uses, when }) => uses === confirm.uses && when !== false)
  return step ? { code: 'approval-denied', step: step.id, reason: ONLY_ON_HOST } : null
}

async function dryRun({ plan, ...prepared }: Prepared, { options, watcher, sink }: Work): Promise<RunEnd> {
  const ahead =
    ownIdsHere().length === 0 ? [] : (await import('./self-upgrade/preflight.ts')).selfUpgradeAhead(plan)
  const warnings = [...ahead, ...leftOutWarnings(plan), ...prepared.warnings]
  watcher.note({ kind: 'plan', plan, warnings })
  const caller = callerOf(options.caller, plan.target)
  const started = startEvent({ runId: sink.head.runId, plan, caller })
  for (const event of [started, ...warningEvents(warnings)]) sink.emit(event)
  return { outcome: 'planned', failedStep: null, failure: null }
}

async function onTarget(
  prepared: Prepared,
  work: Work & { state: string; began: () => void },
): Promise<RunEnd> {
  const { options, around, state, sink, interrupts, watcher } = work
  const jobsFolder = join(state, 'jobs')
  const connected = await connectTo(prepared.plan.target, { env: around.env, jobsFolder, interrupts })
  if (!connected.ok) return notConnected(connected.failure)
  const { transport } = connected
  try {
    const waitMs = options.waitLock === undefined ? 0 : (parseDuration(options.waitLock) ?? 0)
    const lock = lockInput(sink.head.runId, state, waitMs, clock.now())
    const { folder } = sink
    const awaitConfirm = options.asHost && folder !== null ? awaitConfirmIn(folder) : undefined
    const { failure, warnings } = await foreseen(prepared, work, transport)
    if (failure) return refused(failure)
    const caller = callerOf(options.caller, prepared.plan.target)
    const input: RunInput = { ...runInput(prepared, sink, transport), caller, lock, awaitConfirm, warnings }
    if (options.plan !== undefined) {
      const moved = await planMoved(options.plan, input, interrupts)
      if (moved) return moved
    }
    sink.keep(prepared.plan, prepared.playbook)
    sink.openJournal()
    await watcher.ready()
    work.began()
    const control = { interrupts, folder }
    if (options.check)
      return await endOf(startCheck({ ...input, warnings: [...warnings, ...prepared.warnings] }), control)
    const { plan, playbook, inputs } = prepared
    const onEnding = () => {
      const { runId } = sink.head
      const by = standBy({ runId, state, playbook, inputs, env: around.env })
      if (by) watcher.note({ kind: 'stands-by', runId })
      return by
    }
    const isTakenBack = plan.onFailure === 'rollback' && !options.asHost
    return await endOf(runPlan(input), { ...control, ...(isTakenBack ? { onEnding } : {}) })
  } finally {
    await transport.close()
  }
}

/** Only a runner in a container, or one that works through a daemon, can end what the run depends on. */
async function foreseen(
  { plan, playbook }: Prepared,
  { name, options }: Work,
  transport: Transport,
): Promise<Preflight> {
  const warnings = leftOutWarnings(plan)
  if (transport.name === 'local' && ownIdsHere().length === 0) return { failure: null, warnings }
  const { selfUpgrade } = await import('./self-upgrade/preflight.ts')
  const command = options.asHost ? null : onHostCommand(name, options, plan.target, playbook)
  const ahead = await selfUpgrade(plan, transport, command)
  return { ...ahead, warnings: [...ahead.warnings, ...warnings] }
}

const runInput = (prepared: Prepared, sink: EventSink, transport: Transport): RunInput => ({
  runId: sink.head.runId,
  plan: prepared.plan,
  playbook: prepared.playbook,
  kinds,
  inputs: prepared.inputs,
  env: prepared.env,
  transport,
  clock,
  emit: sink.emit,
  record: sink.record,
})

/** Checks again, and compares the result with what the caller has seen. */
async function planMoved(expected: string, input: RunInput, interrupts: Interrupts): Promise<RunEnd | null> {
  let actual: string | null = null
  const check = startCheck({
    ...input,
    emit: event => {
      if (event.type === 'plan-hashed') actual = event.hash
    },
  })
  const end = await endOf(check, { interrupts, folder: null })
  if (actual === null) return end
  return actual === expected ? null : refused({ code: 'plan-moved', expected, actual })
}

function notConnected(failure: Failure): RunEnd {
  if (failure.code === 'usage') return invalid(failure)
  const outcome = failure.code === 'interrupted' ? 'interrupted' : 'unreachable'
  return { outcome, failedStep: null, failure }
}

const invalid = (failure: Failure): RunEnd => ({ outcome: 'invalid', failedStep: null, failure })
const refused = (failure: Failure): RunEnd => ({ outcome: 'refused', failedStep: null, failure })
