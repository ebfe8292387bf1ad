/** Operations on runs print nothing themselves: they get their surroundings, and report to a watcher. */
import type { Diagnostic } from '../document/diagnostic.ts'
import type { Event } from '../engine/events.ts'
import type { Plan } from '../engine/plan.ts'
import type { RunEnd, Warning } from '../engine/run-input.ts'
import type { Failure } from '../failure.ts'
import type { Surroundings } from '../process/surroundings.ts'
import type { Report } from '../report/report-schema.ts'

export type Around = Surroundings & {
  /** Rejects with an exception that nobody caught, so that a run can still report how it ended. */
  fault: Promise<never>
}

/** None of these may throw. */
export type Watcher = {
  /**
   * Events are about to come. Whoever draws them can load what drawing takes. `at`: how a command names the host, like
   * ` --target hostlink`; absent for this machine.
   */
  ready(at?: string): Promise<void>
  event(event: Event): void
  note(note: Note): void
}

/** For people, beside the report. */
export type Note =
  | { kind: 'mistakes'; diagnostics: readonly Diagnostic[] }
  | { kind: 'plan'; plan: Plan; warnings: readonly Warning[] }
  | { kind: 'warning'; failure: Failure }
  | { kind: 'fault'; error: unknown }
  /** The host knows this start already: the run was started before. */
  | { kind: 'attached'; runId: string; run: 'followed' | 'running' | 'ended' }
  /** Another process rolls the run back, should this one be killed before it has. */
  | { kind: 'stands-by'; runId: string }
  /** The host does not answer any more, and answers again. */
  | { kind: 'silence'; failure: Failure }
  | { kind: 'answer' }
  /** The operators of a gateway were asked, and are waited for. */
  | { kind: 'approval'; id: string; command: string; waitMs: number }
  /** A line of the runner at the host that is not an event. */
  | { kind: 'words'; line: string }

/** How a run ended, as its report says. */
export type Ended = {
  report: Report
  exitCode: number
  end: RunEnd
  /** The run has a folder, so that it can be reported later by its id. */
  isKept: boolean
  /** All events are on the disk. If not, this report is the only record of how the run ended. */
  isRecorded: boolean
}

/** An operation that has started. `interrupt` does what Ctrl-C does in a terminal. */
export type Operation<Result> = {
  readonly ended: Promise<Result>
  interrupt(signal: Signal): void
}

export type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP'
