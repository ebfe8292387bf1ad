/** `hostops rollback RUN --check`: looks, changes nothing, and leaves the run and its report as they are. */
import { join } from 'node:path'
import { recover } from '../../engine/recover.ts'
import { startRehearsal } from '../../engine/rehearse.ts'
import type { RunEnd } from '../../engine/run-input.ts'
import { Failed, type Failure } from '../../failure.ts'
import { type Kept, readKept } from '../../runs/stored-plan.ts'
import { kinds } from '../../steps/index.ts'
import { clock } from '../clock.ts'
import { connectTo } from '../connect-to.ts'
import { environment } from '../environment.ts'
import { chooseFace } from '../faces.ts'
import type { Io } from '../io.ts'
import { catchSignals } from '../signals.ts'
import { tellAttempt } from '../state/attempt-line.ts'
import { openOne } from '../state/open-state.ts'
import { makeRecorder } from '../state/record.ts'
import { secretInputs } from '../state/secret-inputs.ts'
import { hasRunner, type ResumeOptions } from './resume.ts'

export async function rehearse(given: string, options: ResumeOptions, io: Io): Promise<number> {
  const opened = openOne(given, options, io, 'rollback')
  if (!opened.ok) return tellAttempt(given, opened.failure, options, io)
  const { state, run } = opened
  const refuse = (failure: Failure) => tellAttempt(run, failure, options, io)
  if (run.alive) return refuse(hasRunner(run))
  let kept: Kept
  try {
    kept = readKept(run)
  } catch (error) {
    if (error instanceof Failed) return refuse(error.failure)
    throw error
  }
  const { runId, playbook, target } = run.head
  const recorder = makeRecorder(
    { runId, playbook, target, dryRun: true, startedAt: clock.now() },
    { json: options.output === 'json', quiet: options.quiet === true, reportFile: undefined },
    io,
    clock.now,
  )
  const signals = catchSignals()
  const onTarget = async (): Promise<RunEnd> => {
    const inputs = await secretInputs(kept, options, io)
    const connected = await connectTo(kept.plan.target, { io, jobsFolder: join(state, 'jobs'), signals })
    if (!connected.ok) return { outcome: 'unreachable', failedStep: null, failure: connected.failure }
    const { transport } = connected
    try {
      recorder.show(await chooseFace(options, io, clock.now))
      const running = startRehearsal({
        ...{ runId, kinds, inputs, transport, clock },
        plan: kept.plan,
        playbook: kept.playbook,
        env: environment(kept.playbook, io),
        emit: recorder.emit,
        recovered: recover(kept.events),
      })
      signals.handle(signal => running.control.interrupt(signal))
      return await running.ended
    } finally {
      await transport.close()
    }
  }
  try {
    return await recorder.finish(await onTarget())
  } catch (error) {
    if (error instanceof Failed) return refuse(error.failure)
    throw error
  } finally {
    signals.dispose()
  }
}
