/**
 * Where a run's events go: the journal first, then the report, then the face. At the end the report is on the disk
 * before its line is printed, and the line is printed whatever became of the disk.
 */
import { join } from 'node:path'
import type { Emit, Event } from '../../engine/events.ts'
import type { Plan } from '../../engine/plan.ts'
import type { RunEnd, RunRecord } from '../../engine/run-input.ts'
import { Failed, type Failure } from '../../failure.ts'
import type { Playbook } from '../../playbook/playbook.ts'
import { addEvent, emptyDraft, type ReportHead, toReport } from '../../report/build.ts'
import type { Report } from '../../report/schema.ts'
import { writeAtomically } from '../../runs/atomic-file.ts'
import { type Created, createRun } from '../../runs/create-run.ts'
import { type Journal, openJournal } from '../../runs/journal.ts'
import { openPulse, removePulse } from '../../runs/liveness-pipe.ts'
import { prune } from '../../runs/prune.ts'
import { placeHere } from '../../runs/runner-identity.ts'
import { type Keep, type RunEntry, type RunHead, unwritable, writeHead } from '../../runs/runs-folder.ts'
import { keepRun } from '../../runs/stored-plan.ts'
import type { Face } from '../../ui/face.ts'
import { jsonLine } from '../../ui/printable.ts'
import { makeSummary } from '../../ui/summary.ts'
import { isGood } from '../../ui/words.ts'
import { exitCode } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { copyReport } from '../report-file.ts'
import { resultLine } from '../result-line.ts'

export type Recorder = {
  readonly head: ReportHead
  readonly folder: string | null
  /** Makes the run's folder. Without one (it cannot be written, or the id is used) the report is only printed. */
  open(state: string, keep: Keep): Created
  /** What another runner needs to go on with this run. */
  keep(plan: Plan, playbook: Playbook): void
  /** Goes on in the folder of a run that another runner began, with what its journal tells. */
  goOnIn(state: string, run: RunEntry, earlier: readonly Event[]): void
  /** From now on events are journalled, intents before acts. A `witness` only adds what it has learnt: it is no runner. */
  openJournal(as?: 'runner' | 'witness'): void
  show(face: Face | null): void
  /** What the report says of the run's beginning. */
  know(known: { playbook: string | null; target: string | null }): void
  emit: Emit
  readonly record: RunRecord
  /** Leaves the run as it was, with the head that it had. */
  standDown(head: RunHead): Promise<void>
  /** Writes what is known now, and prints nothing. */
  keepEnd(end: RunEnd): { report: Report; exitCode: number }
  finish(end: RunEnd): Promise<number>
}

/** `reportFile`: its whole path. */
export type Told = { json: boolean; quiet: boolean; reportFile: string | undefined }

export function makeRecorder(head: ReportHead, told: Told, io: Io, now: () => number): Recorder {
  const draft = emptyDraft(head)
  const summary = makeSummary()
  /** Of a run that began with a journal of version 1, which does not say it. */
  let planHash: string | undefined
  /** Who goes on with a run of others removes none. */
  let place: { state: string; folder: string; keep: Keep | null; pulse: string | null } | null = null
  let journal: Journal | null = null
  let face: Face | null = null

  const emit = (event: Event) => {
    journal?.write(event)
    addEvent(draft, event)
    summary.add(event)
    try {
      face?.event(event)
    } catch {
      // What cannot be drawn must not end a run.
      face = null
    }
  }
  const complain = (failure: Failure) => {
    if (!told.json) io.stderr.write(wordedError(failure))
  }
  /** False when it is not there afterwards. */
  const store = (report: Report, code: number): boolean => {
    if (place === null) return true
    const file = join(place.folder, 'report.json')
    try {
      writeAtomically(file, `${JSON.stringify(report)}\n`, 0o600)
      writeHead(place.folder, { ...runHead(head, planHash), exitCode: code })
      removePulse(place.folder, place.pulse)
      return true
    } catch (error) {
      complain({ code: 'state-unwritable', path: file, problem: (error as Error).message })
      return false
    }
  }
  const keepEnd = (end: RunEnd) => {
    if (draft.end === null) emit({ type: 'run-finished', ...end })
    const whole = journal?.isWhole() ?? true
    journal?.close()
    const known = toReport(draft, now())
    const incomplete: Report = { ...known, recordIncomplete: true }
    const report = whole ? known : incomplete
    const code = exitCode(report.outcome, draft.end?.failure ?? null)
    const stored = store(report, code)
    if (!whole || !stored) io.stderr.write(told.json ? '' : ONLY_THIS_LINE)
    return { report: stored ? report : incomplete, exitCode: code }
  }

  return {
    head,
    keepEnd,
    get folder() {
      return place?.folder ?? null
    },
    open(state, keep) {
      const created = createRun(state, runHead(head))
      if (created.ok) place = { state, folder: created.folder, keep, pulse: null }
      return created
    },
    keep(plan, playbook) {
      if (place !== null) keepRun(place.folder, plan, playbook)
    },
    goOnIn(state, { folder, head: begun }, earlier) {
      planHash = begun.planHash
      place = { state, folder, keep: null, pulse: null }
      for (const event of earlier) addEvent(draft, event)
      draft.end = null
    },
    openJournal(as = 'runner') {
      if (place === null) return
      try {
        if (as === 'runner') {
          place.pulse = openPulse(place.folder)
          writeHead(place.folder, runHead(head, planHash, place.pulse))
        }
      } catch (error) {
        throw new Failed(unwritable(place.folder, error))
      }
      journal = openJournal(place.folder, now)
    },
    show(next) {
      face = next
    },
    know({ playbook, target }) {
      head.playbook = playbook
      head.target = target
    },
    emit,
    record: {
      id: () => journal?.id() ?? '',
      isWhole: () => journal?.isWhole() ?? false,
      anchor: async () => journal?.anchor(),
    },
    async standDown(head) {
      journal?.close()
      await face?.close()
      try {
        if (place !== null && journal !== null) writeHead(place.folder, head)
      } catch (error) {
        complain(unwritable(place?.folder ?? '', error))
      }
    },
    async finish(end) {
      const { report, exitCode: code } = keepEnd(end)
      const isTold = !(told.quiet && isGood(report.outcome))
      // Who reads events has seen none where nothing began, or where they were not wanted.
      if (told.json && isTold && face === null && draft.end !== null)
        io.stderr.write(`${jsonLine({ time: new Date(now()).toISOString(), ...draft.end })}\n`)
      await face?.close()
      copyReport(report, told.reportFile, complain)
      // On a terminal the verdict is what a person sees last, and the line would push it off the screen.
      if (io.stdout.isTTY) io.stdout.write(resultLine(report))
      if (!told.json && isTold) {
        const lines = summary.lines({
          runId: head.runId,
          durationMs: report.durationMs,
          stored: place !== null,
          sight: report,
          columns: io.stderr.isTTY ? io.stderr.columns() : null,
        })
        io.stderr.write(`${io.stderr.isTTY ? '\n' : ''}${lines.join('\n')}\n`)
      }
      if (!io.stdout.isTTY) io.stdout.write(resultLine(report))
      if (place?.keep) prune(place.state, place.keep, now())
      return code
    },
  }
}

const ONLY_THIS_LINE = 'the record of this run is not complete: only the line on stdout tells how it ended\n'

const runHead = (head: ReportHead, planHash?: string, pulse: string | null = null): RunHead => ({
  runId: head.runId,
  playbook: head.playbook,
  target: head.target,
  dryRun: head.dryRun,
  startedAt: new Date(head.startedAt).toISOString(),
  ...placeHere(pulse),
  ...(planHash === undefined ? {} : { planHash }),
})
