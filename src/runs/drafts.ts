/** Folders of runs that were never finished, because their runner was killed while it made them. */
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** No run id begins like this. */
export const DRAFT = '.new-'

/** Younger ones may be somebody's who is at work on them. */
const LEFT_MS = 3_600_000

export function removeDrafts(runs: string, now: number): void {
  try {
    const drafts = readdirSync(runs).filter(name => name.startsWith(DRAFT))
    for (const draft of drafts.map(name => join(runs, name)))
      if (statSync(draft).mtimeMs < now - LEFT_MS) rmSync(draft, { recursive: true, force: true })
  } catch {
    // Another one was quicker; what is left waits for the next time.
  }
}
