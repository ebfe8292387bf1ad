/** How an operation at a host ended: as the host reports it, or as far as it is known here. Pure. */
import type { RunEnd } from '../../engine/run-input.ts'
import type { Failed, Failure } from '../../failure.ts'
import { EXIT_REFUSED, exitCode } from '../../report/exit-code.ts'
import { emptyDraft, type ReportHead, toReport } from '../../report/report-draft.ts'
import { type HostLink, HostRefusal, type NoReply } from '../../runs/host-link.ts'
import { refusalCode } from '../../runs/refusal-code.ts'
import type { RunReport } from '../../runs/runs.ts'
import { clock } from '../clock.ts'
import type { StartOptions } from '../start-options.ts'
import type { Around, Ended, Signal, Watcher } from '../watcher.ts'

export type OpenedHost = { ok: true; host: HostLink } | { ok: false; failure: Failure }

/** The parameters of an operation at a host. */
export type AtHost<Options = StartOptions> = {
  options: Options
  around: Around
  watcher: Watcher
  openHost(target: string, state: string, signal: AbortSignal): Promise<OpenedHost>
}

/** `at`: how a command names the host. */
export type ToldByHost = { kind: 'told'; told: RunReport; at: string }
/** The host has no part in it, or what it did is not known here. */
type KnownHere = { kind: 'here'; ended: Ended; at: string }
export type EndedAtHost = ToldByHost | KnownHere

export function endedHere(end: RunEnd, head: ReportHead): KnownHere {
  const isOpen = end.outcome === 'started' || end.outcome === 'unknown'
  const draft = { ...emptyDraft(head), end: { type: 'run-finished' as const, ...end } }
  const report = toReport(draft, isOpen ? null : clock.now())
  const ended = { report, exitCode: exitCode(end.outcome, end.failure), end, isKept: false, isRecorded: true }
  return { kind: 'here', ended, at: head.target === 'local' ? '' : ` --target ${head.target}` }
}

export function notStarted(failure: Failure): RunEnd {
  const isRefused = failure.code === 'denied' || failure.code === 'approval-needed'
  const outcome = isRefused ? 'refused' : failure.code === 'usage' ? 'invalid' : 'unreachable'
  return { outcome, failedStep: null, failure }
}

/** Whether a lost request was heard is not known. Every other refusal means that nothing was started. */
export function endOfRefusal({ failure, again, unable }: NoReply): RunEnd {
  if (unable) return { outcome: 'refused', failedStep: null, failure }
  return again || failure.code === 'link-lost' ? lost(failure) : notStarted(failure)
}

/** The end of an operation that failed at the host, or was wrong before the host was asked. */
export function endOfError(error: Failed): RunEnd {
  if (error instanceof HostRefusal) return endOfRefusal(error.reply)
  const outcome = refusalCode(error) === EXIT_REFUSED ? 'refused' : 'invalid'
  return { outcome, failedStep: null, failure: error.failure }
}

export const lost = (failure: Failure): RunEnd => ({ outcome: 'unknown', failedStep: null, failure })

export const interrupted = (signal: Signal): RunEnd => ({
  outcome: 'interrupted',
  failedStep: null,
  failure: { code: 'interrupted', signal },
})
