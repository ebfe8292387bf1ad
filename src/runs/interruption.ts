/** Who interrupts a run: a signal does not say, so that a note in its folder does, for this one runner. And whether one was. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { By, Event } from '../engine/events.ts'
import { byOf } from './caller.ts'

/** Before the signal is sent. Returns what takes the note away again. */
export function noteInterruption(folder: string, runner: number, by: By): () => void {
  const file = noteFor(folder, runner)
  try {
    writeFileSync(file, JSON.stringify(by), { mode: 0o600 })
  } catch {
    // The signal matters more than who has sent it.
  }
  return () => rmSync(file, { force: true })
}

/** Null where the signal came from nobody who left a note, like a terminal or the end of the machine. */
export function takeInterruption(folder: string): By | null {
  const file = noteFor(folder, process.pid)
  try {
    const by = byOf(readFileSync(file, 'utf8'))
    rmSync(file)
    return by
  } catch {
    return null
  }
}

const noteFor = (folder: string, runner: number) => join(folder, `interrupted-by.${runner}`)

/** It was told to stop, or rolls back already: a second request would stop the rollback. */
export function isStopping(events: readonly Event[]): boolean {
  const since = events.findLastIndex(event => event.type === 'resumed') + 1
  return events.slice(since).some(({ type }) => type === 'interrupting' || type === 'rollback-started')
}
