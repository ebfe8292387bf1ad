/** For the commands over past runs: the state folder, and a run in it; a failure is told and gives null. */
import type { Failure } from '../../failure.ts'
import { findRun, type RunEntry, stateDir } from '../../runs/runs-folder.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { readSettings } from '../settings.ts'
import { lastRun, lastToGoOnWith } from './last-run.ts'

export async function openState(options: { config?: string }, io: Io): Promise<string | null> {
  const settings = readSettings(options, io)
  if (settings.ok) return stateDir(io, settings.settings.stateDir)
  io.stderr.write(wordedError(settings.failure))
  return null
}

type OpenedRun = { ok: true; state: string; run: RunEntry } | { ok: false; failure: Failure }

/** For the commands that end in a line of their own, whatever happens. */
export function openOne(
  given: string,
  options: { config?: string },
  io: Io,
  verb: 'resume' | 'rollback',
): OpenedRun {
  const settings = readSettings(options, io)
  if (!settings.ok) return settings
  const state = stateDir(io, settings.settings.stateDir)
  const found = given === 'last' ? lastToGoOnWith(state, verb) : findRun(state, given)
  return found.ok ? { ok: true, state, run: found.run } : found
}

export async function openRun(given: string, options: { config?: string }, io: Io): Promise<RunEntry | null> {
  const state = await openState(options, io)
  if (state === null) return null
  const found = given === 'last' ? lastRun(state) : findRun(state, given)
  if (found.ok) return found.run
  io.stderr.write(wordedError(found.failure))
  return null
}
