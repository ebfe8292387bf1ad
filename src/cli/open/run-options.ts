/** The options of `hostops run`, as commander passes them. */
import type { StartOptions } from '../../app/start-options.ts'
import type { Failure } from '../../failure.ts'
import { reportFileProblem } from '../print/report-file.ts'
import type { Shown } from '../print/shown.ts'

export type RunOptions = StartOptions &
  Shown & {
    onHost?: boolean
    detach?: boolean
  }

export function wrongUse({ reportFile, onHost, detach, dryRun }: RunOptions, cwd: string): Failure | null {
  const why = reportFile === undefined ? null : reportFileProblem(reportFile, cwd)
  if (why !== null) return { code: 'usage', what: 'report-file', file: reportFile ?? '', why }
  return (onHost || detach) && dryRun ? { code: 'usage', what: 'dry-run-on-host' } : null
}
