/** The line that a run ended with, or what is known so far. What can be done about it is for people. */
import type { Event } from '../../engine/events.ts'
import type { Report } from '../../report/report-schema.ts'
import { resultLine } from '../../report/result-line.ts'
import type { RunReport } from '../../runs/runs.ts'
import { makeSummary } from '../../ui/summary.ts'
import { printable } from '../../wording/printable.ts'
import { wordOpenEnd } from '../../wording/word.ts'
import type { Io } from '../terminal/io.ts'
import { errorText, wordedError } from './print-failure.ts'

type More = {
  /** How a command names the host, like ` --target hostlink`; empty for this machine. */
  at: string
  events(): Event[] | Promise<Event[]>
  isSilent?: boolean
}

export async function printReport(told: RunReport, more: More, io: Io): Promise<number> {
  const line = resultLine(told.report)
  if (io.stdout.isTTY) io.stdout.write(line)
  if (!more.isSilent) io.stderr.write(await words(told, more, io))
  if (!io.stdout.isTTY) io.stdout.write(line)
  return told.exitCode
}

async function words({ status, report, failure }: RunReport, { at, events }: More, io: Io): Promise<string> {
  const { runId } = report
  if (status === 'running') return `${runId} is still running\nhint: hostops wait ${runId}${at}\n`
  if (failure !== null && report.success !== true)
    return status === 'unseen' ? wordedError(failure, at) : errorText(wordOpenEnd(failure, runId, at))
  return lastWords(report, await events(), { at, columns: io.stderr.isTTY ? io.stderr.columns() : null })
}

/** Builds them again from the journal, as they were when the run ended. */
function lastWords(
  report: Report,
  events: readonly Event[],
  { at, columns }: { at: string; columns: number | null },
): string {
  const summary = makeSummary()
  for (const event of events) summary.add(event)
  const { runId, outcome, failedStep, durationMs } = report
  const isKnown = events.some(({ type }) => type === 'run-finished')
  // A run without a journal is known only by its report.
  if (!isKnown) summary.add({ type: 'run-finished', outcome, failedStep, failure: null })
  const lines = summary.lines({ runId, durationMs, stored: false, columns, sight: report, at })
  return `${[...lines, ...(isKnown ? [] : errorLine(report))].join('\n')}\n`
}

/** For a run whose failure is known only by the words of its report. */
export const errorLine = ({ error }: Report): string[] =>
  error === null ? [] : [`  error    ${printable(error)}`]
