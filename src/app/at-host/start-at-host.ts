/** Starts a run at a host, where it outlives this process. This process only follows it and may end at any time. */
import { isRunId, newRunId } from '../../engine/run-id.ts'
import type { RunEnd } from '../../engine/run-input.ts'
import { Failed, type Failure } from '../../failure.ts'
import type { ReportHead } from '../../report/report-draft.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import { clock } from '../clock.ts'
import { type Interrupts, makeInterrupts, unlessInterrupted } from '../interrupts.ts'
import { readSettings } from '../read-settings.ts'
import { wrongStart } from '../start-options.ts'
import type { Operation } from '../watcher.ts'
import {
  type AtHost,
  type EndedAtHost,
  endedHere,
  endOfRefusal,
  interrupted,
  notStarted,
  type ToldByHost,
} from './ended-at-host.ts'
import { followToEnd } from './follow-run.ts'
import { askToStart, startDetached } from './start-detached.ts'
import { requestFor } from './start-request.ts'

type Start = AtHost & {
  name: string
  /** Returns as soon as the run has started. */
  detach: boolean
  wrong: Failure | null
}

export function startAtHost(start: Start): Operation<EndedAtHost> {
  const interrupts = makeInterrupts()
  return { ended: started(start, interrupts), interrupt: interrupts.interrupt }
}

async function started(start: Start, interrupts: Interrupts): Promise<EndedAtHost> {
  const { runId, dryRun, check } = start.options
  const startedAt = clock.now()
  const head: ReportHead = {
    runId: runId !== undefined && isRunId(runId) ? runId : newRunId(startedAt),
    playbook: null,
    target: null,
    dryRun: check === true || dryRun === true,
    startedAt,
  }
  try {
    const end = await Promise.race([attempt(start, head, interrupts), start.around.fault])
    return 'outcome' in end ? endedHere(unlessLeft(end, interrupts), head) : end
  } catch (error) {
    if (error instanceof Failed)
      return endedHere({ outcome: 'invalid', failedStep: null, failure: error.failure }, head)
    start.watcher.note({ kind: 'fault', error })
    const problem = error instanceof Error ? error.message : String(error)
    const failure: Failure = { code: 'internal', problem }
    return endedHere({ outcome: 'unknown', failedStep: null, failure }, head)
  }
}

/** A run whose approval was still awaited when the caller left was not started. */
const unlessLeft = (end: RunEnd, { first }: Interrupts): RunEnd =>
  first !== null && end.failure?.code === 'approval-needed' ? interrupted(first) : end

async function attempt(
  { name: given, detach, wrong, options, around, watcher, openHost }: Start,
  head: ReportHead,
  interrupts: Interrupts,
): Promise<RunEnd | ToldByHost> {
  const settings = readSettings(options, around)
  if (!settings.ok) throw new Failed(settings.failure)
  // Reported even if the playbook cannot be read, which may name another one.
  head.target = options.target ?? settings.settings.target ?? null
  const mistake = wrong ?? wrongStart(options, around.cwd)
  if (mistake) throw new Failed(mistake)
  const request = requestFor(given, options, settings.settings, around, watcher.note)
  const wanted = await unlessInterrupted(interrupts, request)
  if (wanted === null) return interrupted(interrupts.first!)
  const { name, target, fields } = wanted
  head.playbook = name ?? given
  head.target = target
  const stop = new AbortController()
  interrupts.handle(() => stop.abort())
  const opened = await openHost(target, stateDir(around, settings.settings.stateDir), stop.signal)
  if (interrupts.first) return interrupted(interrupts.first)
  if (!opened.ok) return notStarted(opened.failure)
  const { host } = opened
  try {
    const start = { ...fields, run_id: head.runId }
    if (detach) return await startDetached(host, start, watcher.note, stop.signal)
    const reply = await askToStart(host, start, stop.signal)
    if (!reply.ok) return endOfRefusal(reply)
    if (reply.value.attached) watcher.note({ kind: 'attached', runId: head.runId, run: 'followed' })
    return await followToEnd(host, head.runId, { watcher, interrupts })
  } finally {
    host.close()
  }
}
