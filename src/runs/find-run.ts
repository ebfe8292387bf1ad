/**
 * Which run is meant by the beginning of an id, or by `last`: the last run that began. After a refusal, `resume` and
 * `rollback` use the run that caused it. Pure.
 */
import { dirname, join } from 'node:path'
import type { Outcome } from '../engine/events.ts'
import { Failed, type Failure } from '../failure.ts'
import type { Blocker, RunRow, Runs, Verb } from './runs.ts'
import type { RunEntry } from './runs-folder.ts'
import { draftFromJournal } from './stored-report.ts'

type Place = Pick<Runs, 'place' | 'at'>

export function byBeginning(given: string, ids: readonly string[], { place, at }: Place): string {
  const matches = ids.includes(given) ? [given] : ids.filter(id => given !== '' && id.startsWith(given))
  const [id] = matches
  if (id !== undefined && matches.length === 1) return id
  const problem =
    matches.length > 1
      ? `"${given}" is the beginning of ${matches.length} runs: ${matches.slice(0, 5).join(', ')}`
      : `no run "${given}" ${place}`
  throw notFound(problem, listing(at))
}

/** `rows`: the newest first. Without a verb, a refused attempt is passed over. */
export function lastOf(rows: readonly RunRow[], verb: Verb | null, { place, at }: Place): string {
  const [attempt] = rows
  if (attempt === undefined) throw notFound(`there is no run yet ${place}`, listing(at))
  if (verb !== null && attempt.blockedBy !== undefined)
    return blockingRun(attempt.runId, attempt.blockedBy, { known: rows.map(row => row.folder), verb, at })
  const begun = rows.find(({ outcome }) => !NOT_BEGUN.has(outcome))
  if (begun !== undefined) return begun.runId
  throw notFound(
    `no run has begun yet ${place}; the last attempt is ${attempt.runId} (${attempt.outcome})`,
    `hostops report ${attempt.runId}${at}   shows it`,
  )
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
  { known, verb, at }: { known: readonly string[]; verb: Verb; at: string },
): string {
  if (run !== null && known.includes(run.folder)) return run.runId
  const hint =
    run === null
      ? `hostops report ${attempt}${at}`
      : `where that run is known: HOSTOPS_STATE_DIR=${dirname(dirname(run.folder))} hostops ${verb} ${run.runId}`
  throw notFound(`the last attempt, ${attempt}, was refused: ${error}`, hint)
}

const listing = (at: string): string =>
  at === ''
    ? 'hostops runs   lists them; those of a host: hostops runs --target hostlink'
    : `hostops runs${at}   lists them`

const notFound = (problem: string, hint: string): Failed => {
  const failure: Failure = { code: 'usage', problem, hint }
  return new Failed(failure)
}
