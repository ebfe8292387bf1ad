/** Shows one run to a person: its events, notes beside them, the last words, and the result line on stdout. */

import type { EndedAtHost } from '../../app/at-host/ended-at-host.ts'
import { clock } from '../../app/clock.ts'
import type { Ended, Note, Watcher } from '../../app/watcher.ts'
import { renderDiagnostics } from '../../document/print-diagnostics.ts'
import { printDuration } from '../../duration.ts'
import type { Event } from '../../engine/events.ts'
import type { Report } from '../../report/report-schema.ts'
import { resultLine } from '../../report/result-line.ts'
import type { Face } from '../../ui/face.ts'
import { jsonFace } from '../../ui/json-face.ts'
import { makeSummary } from '../../ui/summary.ts'
import { isGood } from '../../ui/words.ts'
import { jsonLine, printable } from '../../wording/printable.ts'
import { sentence } from '../../wording/word.ts'
import type { Io } from '../terminal/io.ts'
import { chooseFace } from './faces.ts'
import { wordedError } from './print-failure.ts'
import { printPlan } from './print-plan.ts'
import { errorLine } from './print-report.ts'
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
  const screen: Screen = {
    io,
    shown,
    reportFile: writableReportFile(shown.reportFile, io.cwd),
    summary: makeSummary(),
    face: null,
    at: '',
    isEndSeen: false,
  }
  return {
    watcher: {
      async ready(at) {
        screen.at = at ?? ''
        screen.face = await chooseFace(shown, io, clock.now, at)
      },
      event: event => showEvent(screen, event),
      note: note => printNote(screen, note),
    },
    finish: ended => finish(screen, ended),
    finishAtHost: ended => finishAtHost(screen, ended),
  }
}

type Screen = {
  readonly io: Io
  readonly shown: Shown
  /** The whole path. */
  readonly reportFile: string | undefined
  readonly summary: ReturnType<typeof makeSummary>
  /** Null before the run has started, and if no events are wanted. */
  face: Face | null
  /** How a command names the host, like ` --target hostlink`; empty for this machine. */
  at: string
  isEndSeen: boolean
}

function showEvent(screen: Screen, event: Event): void {
  screen.summary.add(event)
  if (event.type === 'run-finished') screen.isEndSeen = true
  try {
    screen.face?.event(event)
  } catch {
    // A drawing that fails must not end a run.
    screen.face = null
  }
}

function printNote(screen: Screen, note: Note): void {
  switch (note.kind) {
    case 'plan':
      showPlan(screen, note)
      break
    case 'fault':
      screen.io.stderr.write(`${note.error instanceof Error ? note.error.stack : note.error}\n`)
      break
    case 'silence':
    case 'answer':
      showEvent(screen, { type: 'said', id: 'link', phase: null, line: linkWords(note, screen.at) })
      break
    default:
      forPeople(screen, noteText(note))
  }
}

function noteText(
  note: Extract<Note, { kind: 'mistakes' | 'warning' | 'attached' | 'stands-by' | 'approval' | 'words' }>,
): string {
  switch (note.kind) {
    case 'mistakes':
      return renderDiagnostics(note.diagnostics, 'text')
    case 'warning':
      return wordedError(note.failure)
    case 'attached':
      return `${note.runId} was started before${STARTED_BEFORE[note.run]}\n`
    case 'stands-by':
      return `if this process is killed now, another one rolls back: hostops wait ${note.runId}   tells how it ended\n`
    case 'approval':
      return `waiting up to ${printDuration(note.waitMs)} for an operator to approve ${note.id}: ${printable(note.command)}\n`
    case 'words':
      return `${printable(note.line)}\n`
  }
}

const linkWords = (note: Extract<Note, { kind: 'silence' | 'answer' }>, at: string): string =>
  note.kind === 'silence'
    ? `${sentence(note.failure)}; the run goes on there, and is asked about again`
    : `${at.replace(/^ --target /, '') || 'local'} answers again`

function showPlan(screen: Screen, { plan, warnings }: Extract<Note, { kind: 'plan' }>): void {
  const { io, shown } = screen
  if (shown.quiet) return
  if (shown.output === 'json') {
    screen.face = jsonFace({ write: text => io.stderr.write(text), now: clock.now })
    writeEvent(io, { type: 'plan', plan })
  } else io.stderr.write(`${printPlan(plan, warnings)}\n`)
}

function forPeople({ io, shown }: Screen, text: string): void {
  if (shown.output !== 'json') io.stderr.write(text)
}

async function finish(screen: Screen, ended: Ended): Promise<number> {
  const { io, shown, summary, at } = screen
  const { report, exitCode, end, isKept, isRecorded } = ended
  if (!isRecorded) forPeople(screen, ONLY_THIS_LINE)
  // Without a face nobody has seen the end: nothing was started, or events are not wanted.
  if (shown.output === 'json' && isTold(screen, report) && screen.face === null)
    writeEvent(io, { type: 'run-finished', ...end })
  const unseen = !screen.isEndSeen && end.failure === null ? errorLine(report) : []
  if (!screen.isEndSeen) summary.add({ type: 'run-finished', ...end })
  const { runId, durationMs } = report
  const columns = io.stderr.isTTY ? io.stderr.columns() : null
  const lines = summary.lines({ runId, durationMs, stored: isKept, sight: report, columns, at })
  await printEnd(screen, report, `${io.stderr.isTTY ? '\n' : ''}${[...lines, ...unseen].join('\n')}\n`)
  return exitCode
}

async function finishAtHost(screen: Screen, { at, ...ended }: EndedAtHost): Promise<number> {
  if (ended.kind === 'told') {
    const { report, exitCode, failure } = ended.told
    const { outcome, failedStep } = report
    screen.at = at
    const end = { outcome, failedStep, failure }
    return finish(screen, { report, exitCode, end, isKept: true, isRecorded: true })
  }
  const { report, exitCode, end } = ended.ended
  const { runId, outcome } = report
  if (screen.shown.output === 'json' && end.failure !== null)
    writeEvent(screen.io, { type: 'run-finished', ...end })
  const goesOn = `${runId} ${end.failure ? 'may go on' : 'goes on'} at the host\nhint: hostops wait ${runId}${at}\n`
  const isOpen = outcome === 'started' || outcome === 'unknown'
  const error = end.failure === null ? '' : wordedError(end.failure)
  await printEnd(screen, report, `${error}${isOpen ? goesOn : ''}`)
  return exitCode
}

/** On a terminal the verdict is what a person sees last: a line after it would push it off the screen. */
async function printEnd(screen: Screen, report: Report, words: string): Promise<void> {
  const { io, face, reportFile } = screen
  await face?.close()
  copyReport(report, reportFile, failure => forPeople(screen, wordedError(failure)))
  if (io.stdout.isTTY) io.stdout.write(resultLine(report))
  if (isTold(screen, report)) forPeople(screen, words)
  if (!io.stdout.isTTY) io.stdout.write(resultLine(report))
}

const isTold = ({ shown }: Screen, { outcome }: Report): boolean => !(shown.quiet && isGood(outcome))

const writeEvent = (io: Io, event: object) =>
  io.stderr.write(`${jsonLine({ time: new Date(clock.now()).toISOString(), ...event })}\n`)
