/** Looks whether a run could be rolled back. Changes nothing, and leaves the run and its report as they are. */
import { join } from 'node:path'
import { progressAfter } from '../engine/progress.ts'
import { startRehearsal } from '../engine/rehearse.ts'
import type { RunEnd } from '../engine/run-input.ts'
import { Failed } from '../failure.ts'
import { mayLive } from '../runs/run-status.ts'
import type { RunEntry } from '../runs/runs-folder.ts'
import { type Kept, readKept } from '../runs/stored-plan.ts'
import { hasRunner } from '../runs/stored-report.ts'
import { kinds } from '../steps/index.ts'
import { clock } from './clock.ts'
import { connectTo } from './connect-to.ts'
import type { Continued, ContinueOptions } from './continue-run.ts'
import { environment } from './environment.ts'
import { type EventSink, makeSink } from './event-sink.ts'
import { type Interrupts, makeInterrupts } from './interrupts.ts'
import { openRun } from './open-run.ts'
import { refusedAttempt } from './refused-attempt.ts'
import { secretInputs } from './secret-inputs.ts'
import type { Around, Operation, Watcher } from './watcher.ts'

type Request = { given: string; options: ContinueOptions; around: Around; watcher: Watcher }

export function rehearseRollback(request: Request): Operation<Continued> {
  const interrupts = makeInterrupts()
  return { ended: rehearsed(request, interrupts), interrupt: interrupts.interrupt }
}

async function rehearsed(request: Request, interrupts: Interrupts): Promise<Continued> {
  const { given, options, around, watcher } = request
  let run: RunEntry | null = null
  try {
    const opened = await openRun(given, options, around, 'rollback')
    run = opened.run
    if (mayLive(run.status)) throw new Failed(hasRunner(run))
    const kept = readKept(run)
    const { runId, playbook, target } = run.head
    const sink = makeSink({ runId, playbook, target, dryRun: true, startedAt: clock.now() }, watcher)
    const end = await onTarget({ ...request, kept, state: opened.state, sink, interrupts })
    return { kind: 'ended', ended: sink.end(end) }
  } catch (error) {
    if (error instanceof Failed)
      return { kind: 'refused', ended: refusedAttempt(run ?? given, error.failure), run }
    throw error
  }
}

type Work = Request & { kept: Kept; state: string; sink: EventSink; interrupts: Interrupts }

async function onTarget({ kept, state, sink, interrupts, ...request }: Work): Promise<RunEnd> {
  const { options, around, watcher } = request
  const inputs = await secretInputs(kept, options, around)
  const jobsFolder = join(state, 'jobs')
  const connected = await connectTo(kept.plan.target, { env: around.env, jobsFolder, interrupts })
  if (!connected.ok) return { outcome: 'unreachable', failedStep: null, failure: connected.failure }
  const { transport } = connected
  try {
    await watcher.ready()
    const running = startRehearsal({
      ...{ runId: sink.head.runId, kinds, inputs, transport, clock },
      plan: kept.plan,
      playbook: kept.playbook,
      env: environment(kept.playbook, around),
      emit: sink.emit,
      recovered: progressAfter(kept.events),
    })
    interrupts.handle(signal => running.control.interrupt(signal))
    return await running.ended
  } finally {
    await transport.close()
  }
}
