/** What `hostops run` is given, as commander passes it. */
import { resolve } from 'node:path'
import type { StartOptions } from '../../app/start-options.ts'
import type { Failure } from '../../failure.ts'
import { reportFileProblem } from '../print/report-file.ts'
import type { Shown } from '../print/shown.ts'

export type RunOptions = StartOptions &
  Shown & {
    onHost?: boolean
    detach?: boolean
  }

export function wrongUse(options: RunOptions, cwd: string): Failure | null {
  const usage = (problem: string, hint: string): Failure => ({ code: 'usage', problem, hint })
  if (options.reportFile === '') return usage('--report-file is empty', 'name a file that can be written')
  const file = options.reportFile === undefined ? null : reportFileProblem(resolve(cwd, options.reportFile))
  if (file !== null)
    return usage(`--report-file ${options.reportFile} ${file}`, 'name a file that can be written')
  if ((options.onHost || options.detach) && options.dryRun)
    return usage(
      '--dry-run contacts no host',
      'leave --on-host and --detach out, or ask the host with --check --on-host',
    )
  return null
}
