/** The folder of a new run: made whole or not at all, and once for each id. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Failure } from '../failure.ts'
import { makeFolder } from '../process/make-folder.ts'
import { renameFolder } from '../process/replace.ts'
import { DRAFT } from './drafts.ts'
import { headText, type RunHead, readRun, unwritable, writeHead } from './runs-folder.ts'

export type Created =
  | { ok: true; folder: string }
  | { ok: false; used: true }
  | { ok: false; used: false; failure: Failure }

/** One process only gets the folder of a run id, which appears with its head in it: who dies before that has left no run. */
export function createRun(state: string, head: RunHead): Created {
  const runs = join(state, 'runs')
  const folder = join(runs, head.runId)
  if (existsSync(join(folder, 'run.json'))) return takeAgain(folder, head)
  let draft: string | null = null
  try {
    makeFolder(runs, 0o700)
    draft = mkdtempSync(join(runs, DRAFT))
    writeFileSync(join(draft, 'run.json'), headText(head), { mode: 0o600 })
    // Takes the place of an empty one, and of no other.
    renameFolder(draft, folder)
    return { ok: true, folder }
  } catch (error) {
    const isUsed = draft !== null && IS_THERE.has((error as NodeJS.ErrnoException).code ?? '')
    if (draft !== null) rmSync(draft, { recursive: true, force: true })
    return isUsed ? takeAgain(folder, head) : { ok: false, used: false, failure: unwritable(folder, error) }
  }
}

const IS_THERE: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOTDIR'])

/**
 * Where nothing came of a run but being told what was wrong with the call, its id is free again for who mends that.
 * Of two who do so one gets it, and none of them takes it from a third who has had it meanwhile.
 */
function takeAgain(folder: string, head: RunHead): Created {
  const before = readRun(folder)
  if (before?.status !== 'mistake') return { ok: false, used: true }
  const taken = join(folder, `.after-${before.head.pid}-${Date.parse(before.head.startedAt)}`)
  try {
    writeFileSync(taken, '', { mode: 0o600, flag: 'wx' })
    // First whose it is: a mistake without a runner could be taken again.
    writeHead(folder, head)
    rmSync(join(folder, 'report.json'))
    return { ok: true, folder }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return { ok: false, used: true }
    return { ok: false, used: false, failure: unwritable(folder, error) }
  }
}
