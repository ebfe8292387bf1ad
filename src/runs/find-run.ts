/**
 * Which run is meant by the beginning of an id, or by `last`: the last run that began. After a refusal, `resume` and
 * `rollback` use the run that caused it. Pure.
 */
import { dirname, join } from 'node:path'
import type { Outcome } from '../engine/events.ts'
import { Failed, type Mistake } from '../failure.ts'
import type { Blocker, RunRow, Runs, Verb } from './runs.ts'
import type { RunEntry } from './runs-folder.ts'
import { draftFromJournal } from './stored-report.ts'

type Place = Pick<Runs, 'place'>

export function byBeginning(given: string, ids: readonly string[], { place }: Place): string {
  const matches = ids.includes(given) ? [given] : ids.filter(id => given !== '' && id.startsWith(given))
  const [id] = matches
  if (id !== undefined && matches.length === 1) return id
  throw notFound(
    matches.length > 1 ? { what: 'many-runs', given, matches } : { what: 'no-run', given, place },
  )
}

/** `rows`: the newest first. Without a verb, a refused attempt is passed over. */
export function lastOf(rows: readonly RunRow[], verb: Verb | null, { place }: Place): string {
  const [attempt] = rows
  if (attempt === undefined) throw notFound({ what: 'no-run-yet', place })
  if (verb !== null && attempt.blockedBy !== undefined)
    return blockingRun(attempt.runId, attempt.blockedBy, { known: rows.map(row => row.folder), verb })
  const begun = rows.find(({ outcome }) => !NOT_BEGUN.has(outcome))
  if (begun !== undefined) return begun.runId
  throw notFound({ what: 'none-began', place, attempt: attempt.runId, outcome: attempt.outcome })
}

/** Nothing of a run began there. */
const NOT_BEGUN: ReadonlySet<string> = new Set<Outcome>(['refused', 'invalid', 'planned'])

/** Why an attempt was refused, if that was because of another run. */
export function blockerOf(attempt: RunEntry): Blocker | null {
  const { report } = attempt
  if (report?.outcome !== 'refused') return null
  const failure = draftFromJournal(attempt).end?.failure
  const error = report.error ?? ''
  switch (failure?.code) {
    case 'interrupted-run':
    case 'lock-held': {
      const { runId, state = dirname(dirname(attempt.folder)) } = failure
      const run = runId === undefined ? null : { runId, folder: join(state, 'runs', runId) }
      return { error, run }
    }
    case 'record-gone':
      return { error, run: null }
    default:
      return null
  }
}

/** The run that blocked the attempt, if it is among the `known` folders. */
function blockingRun(
  attempt: string,
  { error, run }: Blocker,
  { known, verb }: { known: readonly string[]; verb: Verb },
): string {
  if (run !== null && known.includes(run.folder)) return run.runId
  const there = run === null ? null : { runId: run.runId, state: dirname(dirname(run.folder)) }
  throw notFound({ what: 'blocked', attempt, error, run: there, verb })
}

const notFound = (mistake: Mistake): Failed => new Failed({ code: 'usage', ...mistake })
