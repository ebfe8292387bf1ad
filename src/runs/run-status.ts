/** The status of a run, decided from what its folder shows. Pure, and decided nowhere else. */
import type { Report } from '../report/schema.ts'
import type { Liveness } from './runner-identity.ts'

/**
 * `not-started`: its runner ended before the first event was on the disk, so that nothing was done.
 * `unseen`: its runner is on another machine or in another container, and cannot be looked up from here.
 * `cut-off`: its runner is gone, and no report was written.
 * `open`: it has a report, but still has to be finished or rolled back.
 * `mistake`: it only reported a mistake in what was asked for, so that its id is free again.
 */
export const RUN_STATUSES = [
  'not-started',
  'running',
  'unseen',
  'cut-off',
  'open',
  'settled',
  'mistake',
] as const

export type RunStatus = (typeof RUN_STATUSES)[number]

export type RunTraces = {
  runner: Liveness
  report: Pick<Report, 'outcome' | 'errorCode'> | null
  /** `blank`: there is a file, but not one whole event in it. */
  journal: 'none' | 'blank' | 'written'
}

export function statusOf({ runner, report, journal }: RunTraces): RunStatus {
  if (runner === 'lives') return 'running'
  if (runner === 'unseen') return 'unseen'
  if (report === null) return journal === 'written' ? 'cut-off' : 'not-started'
  if (report.outcome === 'invalid' && journal === 'none') return 'mistake'
  return report.outcome === 'unknown' || report.errorCode === 'half-way' ? 'open' : 'settled'
}

/** Its runner is not known to be dead, so that nobody else may continue the run. */
export const mayLive = (status: RunStatus): boolean => status === 'running' || status === 'unseen'

/** Its end is known for good. */
export const hasSettled = (status: RunStatus): boolean => status === 'settled' || status === 'mistake'

/** It has ended at least once, with a report, and nobody continues it at the moment. */
export const hasReport = (status: RunStatus): boolean => hasSettled(status) || status === 'open'
