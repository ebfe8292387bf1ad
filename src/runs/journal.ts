/**
 * The run's own record: `journal.ndjson` with what was intended and what came of it, and a log for each step.
 * An intent that cannot be recorded throws, so that nothing is done that nobody could find out about later.
 */
import { join } from 'node:path'
import type { Event } from '../engine/events.ts'
import { mayChange } from '../engine/step-state.ts'
import { Failed } from '../failure.ts'
import { giveReserve, takeReserve } from './disk-reserve.ts'
import { openJournalFile } from './journal-file.ts'
import { entryLine, JOURNAL_VERSION, journalId } from './journal-text.ts'
import { journalFile } from './read-journal.ts'
import type { LogLine } from './step-log-text.ts'
import { openLogs } from './step-logs.ts'
import { syncPlaces } from './sync-folders.ts'

export type Journal = {
  write(event: Event): void
  /** Of this journal and no other; empty before its first line. */
  id(): string
  /** Whether all that was written is on the disk, as far as the disk tells. */
  isWhole(): boolean
  /** Resolves when all that was written until now, and what the run would be resumed from, is on the disk. */
  anchor(): Promise<void>
  close(): void
}

export function openJournal(folder: string, now: () => number): Journal {
  const path = journalFile(folder)
  const file = guarded(path, () => openJournalFile(path))
  // A run does not begin where its end may find no room; who goes on with one has no choice.
  if (file.said.end === 0) guarded(path, () => takeReserve(folder))
  else quietly(() => takeReserve(folder))
  const logs = openLogs(join(folder, 'steps'))
  const [first] = file.said.entries
  if (first?.event.type === 'run-started') logs.expect(first.event.steps)
  const places = syncPlaces(folder)
  // Told by who waits for it.
  places.catch(() => {})
  let sequence = file.said.entries.length
  let { id } = file.said
  /** What could not be written goes first, so that no line is ever missing before another one. */
  let backlog = ''
  /**
   * The end of a step and the beginning of the next one are one wait for the disk: an end is synced together with
   * what is written next, always before anything else is done, or in this same turn when nothing is.
   */
  let due: NodeJS.Immediate | null = null
  /** A disk that has once failed to keep something may say yes the next time, and has not kept it all the same. */
  let lost: Error | null = null
  const sync = () => {
    if (due !== null) clearImmediate(due)
    due = null
    if (lost !== null) throw lost
    try {
      file.sync()
    } catch (error) {
      lost = error as Error
      throw error
    }
  }
  const put = (line: string) => {
    if (line !== '') backlog += backlog === '' ? line : `\n${line}`
    if (backlog !== '') file.append(backlog)
    backlog = ''
  }
  const keep = (when: 'now' | 'soon' | 'never') => {
    if (when === 'now' || due !== null) sync()
    if (when === 'soon') due ??= setImmediate(() => quietly(sync))
  }
  /** Before what it announces is done; where it throws without a line that stands there, it is told by nobody later. */
  const putIntent = (event: Event, line: string) => {
    const before = backlog
    try {
      guarded(path, () => put(line))
    } catch (error) {
      backlog = before
      sequence -= 1
      throw error
    }
    guarded(path, () => keep(syncOf(event)))
  }
  const log = ({ id, phase, line }: Said, stream: LogLine['stream'], at: number) =>
    logs.line(id, { at, phase, stream, text: line })
  return {
    write(event) {
      const time = now()
      if (event.type === 'output') return log(event, event.stream, time)
      if (event.type === 'run-started') logs.expect(event.steps)
      sequence += 1
      const at = new Date(time).toISOString()
      const line = entryLine({ v: JOURNAL_VERSION, seq: sequence, at, event })
      id ||= journalId(line)
      const record = () => {
        put(line)
        keep(syncOf(event))
      }
      if (isIntent(event)) putIntent(event, line)
      else if (!quietly(record) && endsForward(event)) {
        quietly(() => giveReserve(folder))
        quietly(() => {
          put('')
          keep('now')
        })
      }
      if (event.type === 'said') log(event, 'said', time)
      if (event.type === 'step-finished' || event.type === 'part-finished') logs.finish(event.id)
    },
    id: () => id,
    isWhole: () => backlog === '' && lost === null,
    async anchor() {
      // Beside the others, which are waited for by other threads.
      guarded(path, sync)
      try {
        await places
      } catch (error) {
        throw unwritable(folder, error)
      }
    },
    close() {
      logs.close()
      if (due !== null) quietly(sync)
      quietly(file.close)
      quietly(() => giveReserve(folder))
    },
  }
}

type Said = Extract<Event, { type: 'said' | 'output' }>

/** What must not be done unless it stands there: a deadline that nobody could find again would be set anew. */
const isIntent = ({ type }: Event) => type === 'step-started' || type === 'confirm-awaited'

/** From here on nothing is begun any more that a full disk could keep from being told. */
const endsForward = ({ type }: Event) => type === 'rollback-started' || type === 'run-finished'

const syncOf = (event: Event) => {
  if (!isTransition(event)) return 'never'
  return event.type === 'step-finished' ? 'soon' : 'now'
}

/** What recovery decides by must be on the disk before, and right after, the host changes. */
function isTransition(event: Event): boolean {
  switch (event.type) {
    case 'step-started':
      return mayChange(event.effect)
    case 'step-finished':
      return event.effect !== null && mayChange(event.effect)
    case 'resumed':
    case 'recorded':
    case 'confirm-awaited':
    case 'run-finished':
    case 'rollback-started':
    case 'part-started':
    case 'part-finished':
    case 'rollback-finished':
      return true
    default:
      return false
  }
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw unwritable(path, error)
  }
}

const unwritable = (path: string, error: unknown): Failed =>
  new Failed({ code: 'state-unwritable', path, problem: (error as Error).message })

function quietly(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}
