import type { Event } from '../../src/engine/events.ts'
import { readEvents } from '../../src/runs/read-journal.ts'

/** The entries that rig/die.mjs numbers: how many probes a run writes depends on when somebody looked. */
export const numberedEntries = (runFolder: string): Event[] =>
  readEvents(runFolder).filter(({ type }) => type !== 'probe')
