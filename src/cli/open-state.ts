/** For the commands over past runs: the state folder, and a run in it; a failure is told and gives null. */
import type { Io } from './io.ts'
import { wordedError } from './print-failure.ts'
import { readSettings } from './settings.ts'
import { findRun, type RunEntry, stateDir } from './state.ts'

export async function openState(options: { config?: string }, io: Io): Promise<string | null> {
  const settings = readSettings(options, io)
  if (settings.ok) return stateDir(io, settings.settings.stateDir)
  io.stderr.write(wordedError(settings.failure))
  return null
}

export async function openRun(given: string, options: { config?: string }, io: Io): Promise<RunEntry | null> {
  const state = await openState(options, io)
  if (state === null) return null
  const found = findRun(state, given)
  if (found.ok) return found.run
  io.stderr.write(wordedError(found.failure))
  return null
}
