/** What a person sees of one run: its events, what else is reported, the last words, and the result line on stdout. */

import type { EndedAtHost } from '../../app/at-host/ended.ts'
import { clock } from '../../app/clock.ts'
import type { Ended, Note, Watcher } from '../../app/watcher.ts'
import { renderDiagnostics } from '../../document/print-diagnostics.ts'
import type { Event } from '../../engine/events.ts'
import { resultLine } from '../../report/result-line.ts'
import type { Report } from '../../report/schema.ts'
import type { Face } from '../../ui/face.ts'
import { jsonFace } from '../../ui/json.ts'
import { makeSummary } from '../../ui/summary.ts'
import { isGood } from '../../ui/words.ts'
import { jsonLine, printable } from '../../wording/printable.ts'
import { sentence } from '../../wording/word.ts'
import type { Io } from '../terminal/io.ts'
import { chooseFace } from './faces.ts'
import { wordedError } from './print-failure.ts'
import { printPlan } from './print-plan.ts'
import { copyReport, writableReportFile } from './report-file.ts'
import type { Shown } from './shown.ts'

type RunView = {
  watcher: Watcher
  /** Prints how the run ended. Returns the exit code. */
  finish(ended: Ended): Promise<number>
  finishAtHost(ended: EndedAtHost): Promise<number>
}

const STARTED_BEFORE = { followed: ': this follows it', running: '', ended: ', and has ended' } as const
const ONLY_THIS_LINE = 'the record of this run is not complete: only the line on stdout tells how it ended\n'

export function openView(shown: Shown, io: Io): RunView {
  const isJson = shown.output === 'json'
  const isQuiet = shown.quiet === true
  const summary = makeSummary()
  const reportFile = writableReportFile(shown.reportFile, io.cwd)
  let face: Face | null = null

  let at = ''
  let isEndSeen = false

  const ready = async (where?: string) => {
    at = where ?? ''
    face = await chooseFace(shown, io, clock.now, where)
  }
  const event = (event: Event) => {
    summary.add(event)
    if (event.type === 'run-finished') isEndSeen = true
    try {
      face?.event(event)
    } catch {
      // A drawing that fails must not end a run.
      face = null
    }
  }
  const said = (line: string) => event({ type: 'said', id: 'link', line })
  const forPeople = (text: string) => {
    if (!isJson) io.stderr.write(text)
  }
  const note = (note: Note) => {
    switch (note.kind) {
      case 'mistakes':
        return forPeople(renderDiagnostics(note.diagnostics, 'text'))
      case 'plan':
        if (isQuiet) return
        if (!isJson) return io.stderr.write(`${printPlan(note.plan, note.warnings)}\n`)
        face = jsonFace({ write: text => io.stderr.write(text), now: clock.now })
        return writeEvent(io, { type: 'plan', plan: note.plan })
      case 'warning':
        return forPeople(wordedError(note.failure))
      case 'fault':
        return io.stderr.write(`${note.error instanceof Error ? note.error.stack : note.error}\n`)
      case 'attached':
        return forPeople(`${note.runId} was started before${STARTED_BEFORE[note.run]}\n`)
      case 'silence':
        return said(`${sentence(note.failure)}; the run goes on there, and is asked about again`)
      case 'answer':
        return said(`${at.replace(/^ --target /, '') || 'local'} answers again`)
      case 'words':
        return forPeople(`${printable(note.line)}\n`)
    }
  }

  const isTold = ({ outcome }: Report) => !(isQuiet && isGood(outcome))
  /** On a terminal the verdict is what a person sees last: a line behind it would push it off the screen. */
  const close = (report: Report, words: string) => {
    copyReport(report, reportFile, failure => forPeople(wordedError(failure)))
    if (io.stdout.isTTY) io.stdout.write(resultLine(report))
    if (isTold(report)) forPeople(words)
    if (!io.stdout.isTTY) io.stdout.write(resultLine(report))
  }
  const finish = async ({ report, exitCode, end, isKept, isRecorded }: Ended): Promise<number> => {
    if (!isRecorded) forPeople(ONLY_THIS_LINE)
    // Without a face nobody has seen the end: nothing was started, or events are not wanted.
    if (isJson && isTold(report) && face === null) writeEvent(io, { type: 'run-finished', ...end })
    await face?.close()
    const isOnScreen = io.stderr.isTTY
    const columns = isOnScreen ? io.stderr.columns() : null
    if (!isEndSeen) summary.add({ type: 'run-finished', ...end })
    const { runId, durationMs } = report
    const lines = summary.lines({ runId, durationMs, stored: isKept, sight: report, columns, at })
    close(report, `${isOnScreen ? '\n' : ''}${lines.join('\n')}\n`)
    return exitCode
  }
  const finishAtHost = async (ended: EndedAtHost): Promise<number> => {
    if (ended.kind === 'told') {
      const { report, exitCode, failure } = ended.told
      const { outcome, failedStep } = report
      at = ended.at
      return finish({
        ...{ report, exitCode, isKept: true, isRecorded: true },
        end: { outcome, failedStep, failure },
      })
    }
    const { report, exitCode, end } = ended.ended
    const { runId } = report
    await face?.close()
    if (isJson && end.failure !== null) writeEvent(io, { type: 'run-finished', ...end })
    const isOpen = end.outcome === 'started' || end.outcome === 'unknown'
    const goesOn = `${runId} ${end.failure ? 'may go on' : 'goes on'} at the host\nhint: hostops wait ${runId}${ended.at}\n`
    close(report, `${end.failure ? wordedError(end.failure) : ''}${isOpen ? goesOn : ''}`)
    return exitCode
  }

  return { watcher: { ready, event, note }, finish, finishAtHost }
}

const writeEvent = (io: Io, event: object) =>
  io.stderr.write(`${jsonLine({ time: new Date(clock.now()).toISOString(), ...event })}\n`)
