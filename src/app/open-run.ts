/** Finds a run of this machine in the state folder that the settings name. Throws `Failed` if there is none. */
import { Failed } from '../failure.ts'
import type { Surroundings } from '../process/surroundings.ts'
import type { Verb } from '../runs/runs.ts'
import { type RunEntry, stateDir } from '../runs/runs-folder.ts'
import { runsHere } from '../runs/runs-here.ts'
import { readSettings } from './settings.ts'

type Opened = { state: string; run: RunEntry }

export async function openRun(
  given: string,
  options: { config?: string },
  around: Surroundings,
  verb: Verb,
): Promise<Opened> {
  const state = openState(options, around)
  const runs = runsHere(state)
  return { state, run: runs.entry(await runs.find(given, verb)) }
}

export function openState(options: { config?: string | undefined }, around: Surroundings): string {
  const settings = readSettings(options, around)
  if (!settings.ok) throw new Failed(settings.failure)
  return stateDir(around, settings.settings.stateDir)
}
