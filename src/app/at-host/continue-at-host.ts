/** Resumes or rolls back a run that lives at a host. It continues there; this process only follows it. */
import { randomBytes } from 'node:crypto'
import { isRunId, newRunId } from '../../engine/run-id.ts'
import type { RunEnd } from '../../engine/run-input.ts'
import { Failed } from '../../failure.ts'
import type { ReportHead } from '../../report/report-draft.ts'
import { withRetries } from '../../runs/host-link.ts'
import type { Verb } from '../../runs/runs.ts'
import { runsAt } from '../../runs/runs-at.ts'
import { clock } from '../clock.ts'
import type { ContinueOptions } from '../continue-run.ts'
import { type Interrupts, makeInterrupts } from '../interrupts.ts'
import { openState } from '../open-run.ts'
import { waitLockProblem } from '../start-options.ts'
import type { Operation } from '../watcher.ts'
import {
  type AtHost,
  type EndedAtHost,
  endedHere,
  endOfError,
  endOfRefusal,
  interrupted,
  notStarted,
  type ToldByHost,
} from './ended-at-host.ts'
import { followToEnd } from './follow-run.ts'
import { inputTexts } from './start-request.ts'

type Request = AtHost<ContinueOptions & { target: string }> & { verb: Verb; given: string; check: boolean }

export function continueAtHost(request: Request): Operation<EndedAtHost> {
  const interrupts = makeInterrupts()
  return { ended: continued(request, interrupts), interrupt: interrupts.interrupt }
}

async function continued(request: Request, interrupts: Interrupts): Promise<EndedAtHost> {
  const { given, options, around } = request
  const startedAt = clock.now()
  const head: ReportHead = {
    runId: isRunId(given) ? given : newRunId(startedAt),
    playbook: null,
    target: options.target,
    dryRun: false,
    startedAt,
  }
  try {
    const end = await Promise.race([attempt(request, head, interrupts), around.fault])
    return 'outcome' in end ? endedHere(end, head) : end
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    return endedHere(endOfError(error), head)
  }
}

async function attempt(
  { verb, given, check, options, around, watcher, openHost }: Request,
  head: ReportHead,
  interrupts: Interrupts,
): Promise<RunEnd | ToldByHost> {
  const state = openState(options, around)
  if (check || options.inputs !== undefined)
    throw new Failed({
      ...{ code: 'usage', what: 'not-at-host', verb, run: given },
      option: check ? '--check' : '--inputs',
    })
  const wrong = waitLockProblem(options)
  if (wrong) throw new Failed(wrong)
  const texts = await inputTexts(options.input, around)
  const stop = new AbortController()
  interrupts.handle(() => stop.abort())
  const opened = await openHost(options.target, state, stop.signal)
  if (interrupts.first) return interrupted(interrupts.first)
  if (!opened.ok) return notStarted(opened.failure)
  const { host } = opened
  try {
    const runId = await runsAt(host).find(given, verb)
    head.runId = runId
    const fields = {
      run_id: runId,
      attempt: randomBytes(8).toString('hex'),
      options: { assume: options.assume, wait_lock: options.waitLock, rebuild: options.rebuild },
      ...(options.input.length === 0 ? {} : { input_texts: texts }),
    }
    const started = await withRetries(() => host.ask(verb, fields), stop.signal)
    if (!started.ok) return endOfRefusal(started)
    return await followToEnd(host, runId, { watcher, interrupts, runner: started.value.job_id })
  } finally {
    host.close()
  }
}
