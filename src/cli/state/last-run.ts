/** `last` means the last run that began; after a refusal, `resume` and `rollback` use the run that caused it. */
import { dirname, join } from 'node:path'
import type { Outcome } from '../../engine/events.ts'
import type { Failure } from '../../failure.ts'
import { type Found, listRuns, type RunEntry } from '../../runs/runs-folder.ts'
import { sentence } from '../../wording/word.ts'
import { draftFromJournal } from './stored-report.ts'

/** Nothing of a run has begun there. */
const NOT_BEGUN: ReadonlySet<string> = new Set<Outcome>(['refused', 'invalid', 'planned'])

export const isBegun = (outcome: unknown): boolean => typeof outcome !== 'string' || !NOT_BEGUN.has(outcome)

export function lastRun(state: string): Found {
  const runs = listRuns(state)
  const begun = runs.find(run => isBegun(run.report?.outcome))
  if (begun) return { ok: true, run: begun }
  const [attempt] = runs
  if (attempt === undefined) return notFound(`there is no run yet in ${state}`, LISTS)
  const { runId } = attempt.head
  const problem = `no run has begun yet in ${state}; the last attempt is ${runId} (${attempt.report?.outcome})`
  return notFound(problem, `hostops report ${runId}   shows it`)
}

/** Why an attempt was refused, where that was another run: null where nobody has a record of it. */
export type Blocker = { error: string; run: { runId: string; folder: string } | null }

/** Null where the attempt was not refused, or not because of a run. */
export function blockerOf(attempt: RunEntry): Blocker | null {
  if (attempt.report?.outcome !== 'refused') return null
  const failure = draftFromJournal(attempt).end?.failure
  switch (failure?.code) {
    case 'interrupted-run':
    case 'lock-held': {
      const { runId, state = dirname(dirname(attempt.folder)) } = failure
      const run = runId === undefined ? null : { runId, folder: join(state, 'runs', runId) }
      return { error: sentence(failure), run }
    }
    case 'record-gone':
      return { error: sentence(failure), run: null }
    default:
      return null
  }
}

/** Null where that run is among the `known` folders, else why it cannot be used from here. Pure. */
export function notUsable(
  attempt: string,
  { error, run }: Blocker,
  { known, verb, at = '' }: { known: readonly string[]; verb: string; at?: string },
): Failure | null {
  if (run !== null && known.includes(run.folder)) return null
  const problem = `the last attempt, ${attempt}, was refused: ${error}`
  const hint =
    run === null
      ? `hostops report ${attempt}${at}`
      : `where that run is known: HOSTOPS_STATE_DIR=${dirname(dirname(run.folder))} hostops ${verb} ${run.runId}`
  return { code: 'usage', problem, hint }
}

/** For `resume` and `rollback`: who was refused because of a run means that one. */
export function lastToGoOnWith(state: string, verb: string): Found {
  const runs = listRuns(state)
  const [attempt] = runs
  const blocker = attempt === undefined ? null : blockerOf(attempt)
  if (attempt === undefined || blocker === null) return lastRun(state)
  const failure = notUsable(attempt.head.runId, blocker, { known: runs.map(({ folder }) => folder), verb })
  if (failure !== null) return { ok: false, failure }
  return { ok: true, run: runs.find(({ folder }) => folder === blocker.run?.folder)! }
}

const LISTS = 'hostops runs   lists them; those of a host: hostops runs --target hostlink'

const notFound = (problem: string, hint: string): Found => ({
  ok: false,
  failure: { code: 'usage', problem, hint },
})
