/** Who interrupts a run: a signal does not say, so that a note in its folder does, for this one runner. And whether one was. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { By, Event } from '../engine/events.ts'
import { forPlatform } from '../process/platform.ts'
import { quietly } from '../process/quietly.ts'
import { renameOver } from '../process/replace.ts'
import { byOf } from './caller.ts'

const LOOK_MS = 200

/** Tells a runner to stop, and who says so. Throws where it cannot be told. */
export const interruptRunner = forPlatform({
  posix(folder: string, runner: number, signal: 'INT' | 'TERM', by: By): void {
    // The signal matters more than who has sent it.
    quietly(() => leaveNote(folder, runner, by))
    try {
      process.kill(runner, `SIG${signal}`)
    } catch (error) {
      rmSync(noteFor(folder, runner), { force: true })
      throw error
    }
  },
  // A signal would end it there and then: it finds the note instead.
  windows: (folder: string, runner: number, _signal: 'INT' | 'TERM', by: By) => leaveNote(folder, runner, by),
})

/** Whole at once: its runner may be watching for it. */
function leaveNote(folder: string, runner: number, by: By): void {
  const file = noteFor(folder, runner)
  writeFileSync(`${file}.part`, JSON.stringify(by), { mode: 0o600 })
  renameOver(`${file}.part`, file)
}

/** For a runner that no signal reaches. Returns what ends the watching. */
export const watchForNote = forPlatform({
  posix: (_folder: string, _interrupt: () => void) => () => {},
  windows: (folder: string, interrupt: () => void) => {
    const file = noteFor(folder, process.pid)
    const timer = setInterval(() => {
      // One that stayed where it is would be found again, and a second interruption ends the rollback.
      const isTaken = quietly(() => renameSync(file, takenFrom(file)) ?? true)
      if (isTaken) interrupt()
    }, LOOK_MS)
    return () => clearInterval(timer)
  },
})

/** Null where the signal came from nobody who left a note, like a terminal or the end of the machine. */
export function takeInterruption(folder: string): By | null {
  const note = noteFor(folder, process.pid)
  for (const file of [note, takenFrom(note)]) {
    const text = quietly(() => readFileSync(file, 'utf8'))
    if (text === undefined) continue
    quietly(() => rmSync(file))
    return byOf(text)
  }
  return null
}

const noteFor = (folder: string, runner: number) => join(folder, `interrupted-by.${runner}`)
const takenFrom = (note: string) => `${note}.taken`

/** It was told to stop, or rolls back already: a second request would stop the rollback. */
export function isStopping(events: readonly Event[]): boolean {
  const since = events.findLastIndex(event => event.type === 'resumed') + 1
  return events.slice(since).some(({ type }) => type === 'interrupting' || type === 'rollback-started')
}
