/** The options of `hostops run`, as commander passes them. */
import { readSettings } from '../../app/read-settings.ts'
import { type StartOptions, wrongOption } from '../../app/start-options.ts'
import { parseDuration } from '../../duration.ts'
import type { Failure } from '../../failure.ts'
import type { Surroundings } from '../../process/surroundings.ts'
import { isNode } from '../../transport/target.ts'
import { reportFileProblem } from '../print/report-file.ts'
import type { Shown } from '../print/shown.ts'

export type RunOptions = StartOptions &
  Shown & {
    onHost?: boolean
    detach?: boolean
    waitApproval?: string
  }

export function wrongUse(options: RunOptions, around: Surroundings): Failure | null {
  const { reportFile, waitApproval, dryRun } = options
  const why = reportFile === undefined ? null : reportFileProblem(reportFile, around.cwd)
  if (why !== null) return { code: 'usage', what: 'report-file', file: reportFile ?? '', why }
  if (dryRun && livesAtHost(options, around)) return { code: 'usage', what: 'dry-run-on-host' }
  if (waitApproval === undefined) return null
  if (parseDuration(waitApproval) === null) return wrongOption('--wait-approval', 'duration')
  return isForNode(options, around) ? null : { code: 'usage', what: 'approval-wait' }
}

/** A node has runs of its own host only. */
export const livesAtHost = (options: RunOptions, around: Surroundings): boolean =>
  options.onHost === true || options.detach === true || isForNode(options, around)

function isForNode({ target, config }: RunOptions, around: Surroundings): boolean {
  if (target !== undefined) return isNode(target)
  const read = readSettings({ config }, around)
  return read.ok && isNode(read.settings.target ?? '')
}
