/** `hostops run`: whatever happens, it ends with one report line. */
import { join } from 'node:path'
import { parseDuration } from '../../duration.ts'
import { startCheck } from '../../engine/check.ts'
import { type Plan, startEvent, warningEvents } from '../../engine/plan.ts'
import { startRun } from '../../engine/run.ts'
import type { RunEnd, RunInput, Running } from '../../engine/run-input.ts'
import { Failed, type Failure } from '../../failure.ts'
import { callerOf } from '../../runs/caller.ts'
import { awaitConfirmIn } from '../../runs/confirmation.ts'
import { takeInterruption } from '../../runs/interruption.ts'
import { lockInput } from '../../runs/lock-holder.ts'
import { DEFAULT_KEEP, stateDir } from '../../runs/runs-folder.ts'
import { confirm, ONLY_ON_HOST } from '../../steps/confirm.ts'
import { kinds } from '../../steps/index.ts'
import type { Transport } from '../../transport/transport.ts'
import { jsonLine } from '../../ui/printable.ts'
import { clock } from '../clock.ts'
import { connectTo } from '../connect-to.ts'
import { printPlan } from '../dry-run.ts'
import { chooseFace } from '../faces.ts'
import type { Io } from '../io.ts'
import { onHostCommand } from '../on-host-command.ts'
import { type Prepared, prepare } from '../prepare.ts'
import { wordedError } from '../print-failure.ts'
import { type RunOptions, wrongUse } from '../run-options.ts'
import { recorderFor } from '../run-recorder.ts'
import { ownIdsHere } from '../self-upgrade/own-container.ts'
import type { Preflight } from '../self-upgrade/preflight.ts'
import { readSettings } from '../settings.ts'
import { catchSignals, type Signals, unlessSignalled } from '../signals.ts'
import type { Recorder } from '../state/record.ts'

export async function run(name: string, options: RunOptions, io: Io): Promise<number> {
  if (options.onHost || options.detach) {
    const { runOnHost } = await import('../on-host/run.ts')
    return runOnHost(name, options, io)
  }
  const signals = catchSignals()
  const recorder = recorderFor(options, io)
  let engineBegan = false
  const began = () => {
    engineBegan = true
  }
  try {
    const end = await Promise.race([attempt(name, options, io, recorder, signals, began), io.fault])
    return await recorder.finish(end)
  } catch (error) {
    // An expected failure that came up before the engine is one of what we were given.
    if (error instanceof Failed && !engineBegan) {
      const { failure } = error
      return await recorder.finish(failure.code === 'state-unwritable' ? refused(failure) : invalid(failure))
    }
    io.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
    const failure: Failure = {
      code: 'internal',
      problem: error instanceof Error ? error.message : String(error),
    }
    return await recorder.finish({
      outcome: engineBegan ? 'unknown' : 'failed-unchanged',
      failedStep: null,
      failure,
    })
  } finally {
    signals.dispose()
    if (options.asHost) (await import('../on-host/forget-values.ts')).forgetValues(recorder.head.runId, io)
  }
}

async function attempt(
  name: string,
  options: RunOptions,
  io: Io,
  recorder: Recorder,
  signals: Signals,
  began: () => void,
): Promise<RunEnd> {
  const settings = readSettings(options, io)
  const state = stateDir(io, settings.ok ? settings.settings.stateDir : undefined)
  const { keepRuns, keepDays } = settings.ok ? settings.settings : {}
  const keep = { runs: keepRuns ?? DEFAULT_KEEP.runs, days: keepDays ?? DEFAULT_KEEP.days }
  const created = recorder.open(state, keep)
  if (!created.ok && created.used) return invalid(idUsed(recorder.head.runId))
  if (!settings.ok) {
    if (options.output !== 'json') io.stderr.write(settings.details)
    return invalid(settings.failure)
  }
  const wrong = wrongUse(options, io.cwd)
  if (wrong) return invalid(wrong)
  const { keepHeapSmall } = await import('../../process/v8-flags.ts')
  keepHeapSmall()
  const prepared = await unlessSignalled(signals, prepare(name, options, settings.settings, io))
  if (prepared === null) return notConnected({ code: 'interrupted', signal: signals.first! })
  recorder.know(prepared.ok ? prepared.plan : { playbook: prepared.name, target: prepared.target })
  if (!prepared.ok) {
    if (options.output !== 'json') io.stderr.write(prepared.details)
    return invalid(prepared.failure)
  }
  if (!created.ok) {
    if (!options.dryRun) return refused(created.failure)
    if (options.output !== 'json') io.stderr.write(wordedError(created.failure))
  }
  if (options.dryRun) return dryRun(prepared, options, io, recorder)
  const unconfirmable = options.asHost || options.check ? null : confirmStep(prepared.plan)
  if (unconfirmable) return refused(unconfirmable)
  return onTarget(prepared, options, io, { name, state, recorder, signals, began })
}

/** Told before the first change, not after the last one. */
function confirmStep({ steps }: Plan): Failure | null {
  const step = steps.find(({ uses, when }) => uses === confirm.uses && when !== false)
  return step ? { code: 'approval-denied', step: step.id, reason: ONLY_ON_HOST } : null
}

async function dryRun(prepared: Prepared, options: RunOptions, io: Io, recorder: Recorder): Promise<RunEnd> {
  const { plan } = prepared
  const ahead =
    ownIdsHere().length === 0 ? [] : (await import('../self-upgrade/preflight.ts')).selfUpgradeAhead(plan)
  const warnings = [...ahead, ...prepared.warnings]
  if (options.output === 'json' && !options.quiet) {
    recorder.show(await chooseFace(options, io, clock.now))
    io.stderr.write(`${jsonLine({ time: new Date(clock.now()).toISOString(), type: 'plan', plan })}\n`)
  } else if (!options.quiet) {
    io.stderr.write(`${printPlan(plan, warnings)}\n`)
  }
  const caller = callerOf(options.caller, plan.target)
  for (const event of [startEvent({ runId: recorder.head.runId, plan, caller }), ...warningEvents(warnings)])
    recorder.emit(event)
  return { outcome: 'planned', failedStep: null, failure: null }
}

type Around = { name: string; state: string; recorder: Recorder; signals: Signals; began: () => void }

async function onTarget(prepared: Prepared, options: RunOptions, io: Io, around: Around): Promise<RunEnd> {
  const { recorder, signals } = around
  const jobsFolder = join(around.state, 'jobs')
  const connected = await connectTo(prepared.plan.target, { io, jobsFolder, signals })
  if (!connected.ok) return notConnected(connected.failure)
  const { transport } = connected
  try {
    const waitMs = options.waitLock === undefined ? 0 : (parseDuration(options.waitLock) ?? 0)
    const lock = lockInput(recorder.head.runId, around.state, waitMs, clock.now())
    const { folder } = recorder
    const awaitConfirm = options.asHost && folder !== null ? awaitConfirmIn(folder) : undefined
    const { failure, warnings } = await foreseen(prepared, options, around.name, transport)
    if (failure) return refused(failure)
    const caller = callerOf(options.caller, prepared.plan.target)
    const input: RunInput = {
      ...runInput(prepared, recorder, transport),
      caller,
      lock,
      awaitConfirm,
      warnings,
    }
    if (options.plan !== undefined) {
      const moved = await planMoved(options.plan, input, signals)
      if (moved) return moved
    }
    recorder.keep(prepared.plan, prepared.playbook)
    recorder.openJournal()
    recorder.show(await chooseFace(options, io, clock.now))
    around.began()
    const checked = { ...input, warnings: [...warnings, ...prepared.warnings] }
    return await ended(options.check ? startCheck(checked) : startRun(input), signals, folder)
  } finally {
    await transport.close()
  }
}

/** Only who lives in a container, or works through somebody, can end what the run depends on. */
async function foreseen(
  { plan, playbook }: Prepared,
  options: RunOptions,
  name: string,
  transport: Transport,
): Promise<Preflight> {
  if (transport.name === 'local' && ownIdsHere().length === 0) return { failure: null, warnings: [] }
  const { selfUpgrade } = await import('../self-upgrade/preflight.ts')
  return selfUpgrade(
    plan,
    transport,
    options.asHost ? null : onHostCommand(name, options, plan.target, playbook),
  )
}

const runInput = (prepared: Prepared, recorder: Recorder, transport: Transport): RunInput => ({
  runId: recorder.head.runId,
  plan: prepared.plan,
  playbook: prepared.playbook,
  kinds,
  inputs: prepared.inputs,
  env: prepared.env,
  transport,
  clock,
  emit: recorder.emit,
  record: recorder.record,
})

function ended(running: Running, signals: Signals, folder: string | null): Promise<RunEnd> {
  signals.handle(signal =>
    running.control.interrupt(signal, folder === null ? null : takeInterruption(folder)),
  )
  return running.ended
}

/** Checks again, and holds the result to what the caller has seen. */
async function planMoved(expected: string, input: RunInput, signals: Signals): Promise<RunEnd | null> {
  let actual: string | null = null
  const check = startCheck({
    ...input,
    emit: event => {
      if (event.type === 'plan-hashed') actual = event.hash
    },
  })
  const end = await ended(check, signals, null)
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
const idUsed = (runId: string): Failure => ({
  code: 'usage',
  problem: `the run id ${runId} is used already`,
  hint: `hostops report ${runId}   tells how that run ended`,
})
