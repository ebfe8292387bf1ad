/** What can be done with runs, on this machine (runs-here.ts) and at a host (runs-at.ts). Every failure is thrown as `Failed`. */
import type { By, Event, Outcome } from '../engine/events.ts'
import type { Failure } from '../failure.ts'
import type { Report } from '../report/report-schema.ts'
import type { JournalEntry } from './journal-text.ts'
import type { RunStatus } from './run-status.ts'

export type Runs = {
  /** How a command names the host, like ` --target hostlink`; empty for this machine. */
  readonly at: string
  /** For people: `in FOLDER`, `at HOST`. */
  readonly place: string
  /** The newest first. */
  list(): Promise<RunRow[]>
  /** The id that is meant by an id, by the beginning of one, or by `last`. */
  find(given: string, verb?: Verb): Promise<string>
  report(runId: string): Promise<RunReport>
  /** Null if the run has not ended within that time. */
  wait(runId: string, withinMs: number): Promise<RunReport | null>
  /** Nobody works on it at the moment. */
  hasEnded(runId: string): Promise<boolean>
  /** All events of its journal; output is in the logs. */
  events(runId: string): Promise<Event[]>
  /** Its journal behind `after`, each entry once and in order. `follow`: until the run has ended. */
  watch(runId: string, options: { after: number; follow: boolean }): AsyncIterable<JournalEntry>
  logs(runId: string): Promise<LogFile[]>
  /** Bytes of one log, from `offset` on; empty at its end. */
  readLog(runId: string, name: string, offset: number): Promise<Buffer>
  /** `by`: who does it; at a host that is the token. */
  confirm(runId: string, by?: By): Promise<Confirmed>
  /** The first cancels the step and rolls back, the second stops the rolling back. */
  cancel(runId: string, signal: 'INT' | 'TERM', by?: By): Promise<void>
  close(): void
}

/** How a run is continued. */
export type Verb = 'resume' | 'rollback'

export type RunRow = {
  runId: string
  outcome: Outcome | 'running'
  success: boolean | null
  playbook: string | null
  target: string | null
  startedAt: string
  durationMs: number | null
  folder: string
  blockedBy?: Blocker
}

/** The run because of which an attempt was refused; null if nobody has a record of it. */
export type Blocker = { error: string; run: { runId: string; folder: string } | null }

export type RunReport = {
  status: RunStatus
  report: Report
  exitCode: number
  /** Why its end is not known, or still open. */
  failure: Failure | null
}

export type LogFile = { name: string; bytes: number }

export type Confirmed = { step: string; already: boolean }
