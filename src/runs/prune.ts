/** Old runs go by number and by age, a few with each run that ends; one that has not ended itself stays, however old it is. */
import { closeSync, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { quietly } from '../process/quietly.ts'
import { removeDrafts } from './drafts.ts'
import { journalFile } from './read-journal.ts'
import { hasSettled } from './run-status.ts'
import { type Keep, readRun, runIds } from './runs-folder.ts'

/** `began`: to the second, so that most ids tell it themselves and no file has to be read. */
type Old = { folder: string; began: string }

const DAY_MS = 86_400_000
/** Of each call, so that no run pays for what a thousand others left behind. */
const MOST_REMOVED = 5
const BEGINNING_BYTES = 4096

/**
 * Runs that executed something, and those that did not (dry runs, wrong usage), are counted apart, and so are those of each
 * caller: fifty mistakes, or fifty runs of a token that may start one small playbook, must not push out the owner's last
 * upgrade. What has not ended is never removed.
 */
export function prune(state: string, keep: Keep, now: number): void {
  removeDrafts(join(state, 'runs'), now)
  const oldest = secondOf(new Date(now - keep.days * DAY_MS).toISOString())
  const runs = runIds(state).map(id => ({ folder: join(state, 'runs', id), began: beganAt(state, id) }))
  if (runs.length <= keep.runs && runs.every(({ began }) => began >= oldest)) return
  runs.sort(newestFirst)
  const isBeyond = counted(runs, keep.runs)
  let removed = 0
  for (let at = runs.length - 1; at >= 0 && removed < MOST_REMOVED; at -= 1) {
    const { folder, began } = runs[at]!
    if ((began < oldest || isBeyond(at)) && isOver(folder) && remove(folder)) removed += 1
  }
}

/** Whether so many of its sort are newer. Looks at no more of the newer ones than it must: thousands may be there. */
function counted(runs: readonly Old[], most: number): (at: number) => boolean {
  const counts = new Map<string, number>()
  const fullAt = new Map<string, number>()
  let seen = 0
  return at => {
    if (at < most) return false
    const sort = sortOf(runs[at]!)
    for (; seen < at && !fullAt.has(sort); seen += 1) {
      const each = sortOf(runs[seen]!)
      const count = (counts.get(each) ?? 0) + 1
      counts.set(each, count)
      if (count === most) fullAt.set(each, seen)
    }
    return at > (fullAt.get(sort) ?? at)
  }
}

/** The caller of a run that executed something. It stands near the beginning of the first line. */
function sortOf({ folder }: Old): string {
  const beginning = quietly(() => beginningOf(journalFile(folder)))
  if (beginning === undefined) return 'not executed'
  return /"caller":\{"by":(\{[^{}]*\})/.exec(beginning)?.[1] ?? ''
}

function beginningOf(file: string): string {
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(BEGINNING_BYTES)
    return bytes.toString('utf8', 0, readSync(descriptor, bytes))
  } finally {
    closeSync(descriptor)
  }
}

function isOver(folder: string): boolean {
  const run = readRun(folder)
  return run !== null && hasSettled(run.status)
}

/** One that cannot be removed is in nobody's way. */
function remove(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true })
    return true
  } catch {
    return false
  }
}

function beganAt(state: string, id: string): string {
  if (/^\d{8}T\d{6}Z-/.test(id)) return id.slice(0, 16)
  return secondOf(startOf(join(state, 'runs', id)))
}

/** `20261120T180900Z`, as in ids. */
const secondOf = (date: string): string => date.replace(/[-:]|\.\d+/g, '')

const startOf = (folder: string): string => readRun(folder)?.head.startedAt ?? ''

const newestFirst = (a: Old, b: Old): number =>
  compare(b.began, a.began) || compare(startOf(b.folder), startOf(a.folder))

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
