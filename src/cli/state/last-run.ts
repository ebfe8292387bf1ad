/** `last` means the last run that began; after a refusal, `resume` and `rollback` use the run that caused it. */
import type { Outcome } from '../../engine/events.ts'
import type { Failure } from '../../failure.ts'
import { sentence } from '../../wording/word.ts'
import { type Found, listRuns } from './state.ts'
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

/** For `resume` and `rollback`: who was refused because of a run means that one. */
export function lastToGoOnWith(state: string, verb: string): Found {
  const runs = listRuns(state)
  const [attempt] = runs
  if (attempt?.report?.outcome !== 'refused') return lastRun(state)
  const failure = draftFromJournal(attempt).end?.failure ?? null
  if (failure === null || !NAMES_A_RUN.has(failure.code)) return lastRun(state)
  const named = namedRun(failure)
  const run = runs.find(({ head }) => head.runId === named.runId)
  if (named.state === undefined && run !== undefined) return { ok: true, run }
  const problem = `the last attempt, ${attempt.head.runId}, was refused: ${sentence(failure)}`
  const there = named.state === undefined ? '' : `HOSTOPS_STATE_DIR=${named.state} `
  const hint =
    named.runId === undefined
      ? `hostops report ${attempt.head.runId}`
      : `where that run is known: ${there}hostops ${verb} ${named.runId}`
  return notFound(problem, hint)
}

const NAMES_A_RUN: ReadonlySet<Failure['code']> = new Set(['interrupted-run', 'lock-held', 'record-gone'])

function namedRun(failure: Failure): { runId?: string | undefined; state?: string | undefined } {
  switch (failure.code) {
    case 'interrupted-run':
    case 'lock-held':
      return failure
    default:
      return {}
  }
}

const LISTS = 'hostops runs   lists them; those of a host: hostops runs --target hostlink'

const notFound = (problem: string, hint: string): Found => ({
  ok: false,
  failure: { code: 'usage', problem, hint },
})
