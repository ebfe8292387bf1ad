/**
 * A run's events go to the journal first, then to the report, then to the watcher. At the end the report is
 * on the disk before anybody is told of it, and it is told whatever became of the disk.
 */
import { join } from 'node:path'
import type { Emit, Event } from '../engine/events.ts'
import type { Plan } from '../engine/plan.ts'
import type { JournalHandle, RunEnd } from '../engine/run-input.ts'
import { Failed } from '../failure.ts'
import type { Playbook } from '../playbook/playbook.ts'
import { exitCode } from '../report/exit-code.ts'
import { addEvent, emptyDraft, type ReportHead, toReport } from '../report/report-draft.ts'
import type { Report } from '../report/report-schema.ts'
import { writeAtomically } from '../runs/atomic-file.ts'
import { type Created, createRun } from '../runs/create-run.ts'
import { type Journal, openJournal } from '../runs/journal.ts'
import { openPulse, removePulse } from '../runs/liveness-pipe.ts'
import { prune } from '../runs/prune.ts'
import { placeHere } from '../runs/runner-identity.ts'
import { type Keep, type RunEntry, type RunHead, unwritable, writeHead } from '../runs/runs-folder.ts'
import { keepRun } from '../runs/stored-plan.ts'
import { clock } from './clock.ts'
import type { Ended, Watcher } from './watcher.ts'

export type EventSink = {
  readonly head: ReportHead
  readonly folder: string | null
  /** Makes the run's folder. Without one (it cannot be written, or the id is used) only the caller gets the report. */
  open(state: string, keep: Keep): Created
  /** Stores what another runner needs to resume this run. */
  keep(plan: Plan, playbook: Playbook): void
  /** Continues in the folder of a run that another runner started, with the events of its journal. */
  goOnIn(state: string, run: RunEntry, earlier: readonly Event[]): void
  /** From now on events are journalled, intents before acts. A `witness` only adds what it has learnt: it is not a runner. */
  openJournal(as?: 'runner' | 'witness'): void
  /** The playbook and the target that the report names. */
  know(known: { playbook: string | null; target: string | null }): void
  emit: Emit
  readonly record: JournalHandle
  /** Leaves the run as it was, with the head that it had. */
  standDown(head: RunHead): void
  end(end: RunEnd): Ended
  /** Removes old runs. Called after the end has been told, so that nobody waits for it. */
  tidy(): void
}

export function makeSink(head: ReportHead, watcher: Pick<Watcher, 'event' | 'note'>): EventSink {
  const draft = emptyDraft(head)
  /** Known only for runs that began with a journal of version 1, which does not contain it. */
  let planHash: string | undefined
  /** `keep` is null for a runner that resumes: it removes no runs. */
  let place: { state: string; folder: string; keep: Keep | null; pulse: string | null } | null = null
  let journal: Journal | null = null

  const emit = (event: Event) => {
    journal?.write(event)
    addEvent(draft, event)
    watcher.event(event)
  }
  /** False if the report is not on the disk afterwards. */
  const store = (report: Report, code: number): boolean => {
    if (place === null) return true
    const file = join(place.folder, 'report.json')
    try {
      writeAtomically(file, `${JSON.stringify(report)}\n`, 0o600)
      writeHead(place.folder, { ...runHead(head, planHash), exitCode: code })
      removePulse(place.folder, place.pulse)
      return true
    } catch (error) {
      watcher.note({ kind: 'warning', failure: unwritable(file, error) })
      return false
    }
  }

  return {
    head,
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
      journal = openJournal(place.folder, clock.now)
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
    standDown(head) {
      journal?.close()
      if (place === null || journal === null) return
      try {
        writeHead(place.folder, head)
      } catch (error) {
        watcher.note({ kind: 'warning', failure: unwritable(place.folder, error) })
      }
    },
    end(given) {
      if (draft.end === null) emit({ type: 'run-finished', ...given })
      const { outcome, failedStep, failure } = draft.end ?? given
      const isWhole = journal?.isWhole() ?? true
      journal?.close()
      const known = toReport(draft, clock.now())
      const incomplete: Report = { ...known, recordIncomplete: true }
      const report = isWhole ? known : incomplete
      const code = exitCode(outcome, failure)
      const isStored = store(report, code)
      return {
        report: isStored ? report : incomplete,
        exitCode: code,
        end: { outcome, failedStep, failure },
        isKept: place !== null,
        isRecorded: isWhole && isStored,
      }
    },
    tidy() {
      if (place?.keep) prune(place.state, place.keep, clock.now())
    },
  }
}

const runHead = (head: ReportHead, planHash?: string, pulse: string | null = null): RunHead => ({
  runId: head.runId,
  playbook: head.playbook,
  target: head.target,
  dryRun: head.dryRun,
  startedAt: new Date(head.startedAt).toISOString(),
  ...placeHere(pulse),
  ...(planHash === undefined ? {} : { planHash }),
})
