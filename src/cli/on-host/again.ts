/** `hostops resume` and `hostops rollback` of a run that lives on a host: it goes on there, this process only looks on. */
import { randomBytes } from 'node:crypto'
import { isRunId, newRunId } from '../../engine/run-id.ts'
import { Failed } from '../../failure.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import { clock } from '../clock.ts'
import type { ResumeOptions } from '../commands/resume.ts'
import type { Io } from '../io.ts'
import { waitLockProblem } from '../run-options.ts'
import { readSettings } from '../settings.ts'
import { catchSignals, type Signals } from '../signals.ts'
import { findAt } from './asked.ts'
import { patiently } from './host.ts'
import { openHost } from './open-host.ts'
import { inputTexts } from './request.ts'
import { finish, finishHere, followed, type Head, interrupted, notBegun, notStarted } from './run.ts'

type Verb = 'resume' | 'rollback'
type AtHost = ResumeOptions & { target: string }

export async function goOnAt(verb: Verb, given: string, options: AtHost, io: Io): Promise<number> {
  const startedAt = clock.now()
  const head: Head = {
    runId: isRunId(given) ? given : newRunId(startedAt),
    playbook: null,
    target: options.target,
    dryRun: false,
    startedAt,
  }
  const signals = catchSignals()
  try {
    const end = await Promise.race([attempt(verb, given, options, io, head, signals), io.fault])
    return 'line' in end ? finish(end, options, io) : finishHere(end, head, options, io)
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    const { failure } = error
    return finishHere({ outcome: 'invalid', failedStep: null, failure }, head, options, io)
  } finally {
    signals.dispose()
  }
}

async function attempt(verb: Verb, given: string, options: AtHost, io: Io, head: Head, signals: Signals) {
  const settings = readSettings(options, io)
  if (!settings.ok) throw new Failed(settings.failure)
  if (options.check || options.inputs !== undefined)
    throw new Failed({
      code: 'usage',
      problem: `${options.check ? '--check' : '--inputs'} is for runs of this machine`,
      hint: options.check
        ? `on the host: HOSTOPS_STATE_DIR=/var/lib/hostops hostops ${verb} ${given} --check (or what runs_state_dir in hostlink.conf says)`
        : 'give a secret as -i NAME=@FILE',
    })
  const wrong = waitLockProblem(options)
  if (wrong) throw new Failed(wrong)
  const texts = await inputTexts(options.input, io)
  const stop = new AbortController()
  signals.handle(() => stop.abort())
  const opened = await openHost(options.target, stateDir(io, settings.settings.stateDir), io, stop.signal)
  if (signals.first) return interrupted(signals.first)
  if (!opened.ok) return notStarted(opened.failure)
  const { host } = opened
  try {
    const runId = await findAt(host, given, verb)
    if (typeof runId !== 'string') return notBegun(runId)
    head.runId = runId
    const fields = {
      run_id: runId,
      attempt: randomBytes(8).toString('hex'),
      options: { assume: options.assume, wait_lock: options.waitLock, rebuild: options.rebuild },
      ...(options.input.length === 0 ? {} : { input_texts: texts }),
    }
    const started = await patiently(() => host.ask(verb, fields), stop.signal)
    if (!started.ok) return notBegun(started)
    return await followed(host, head, options, io, signals, started.value.job_id)
  } finally {
    host.close()
  }
}
