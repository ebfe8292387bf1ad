/** The recorder of one call of `hostops run`, before anything is known of its playbook. */
import { isRunId, newRunId } from '../engine/run-id.ts'
import { clock } from './clock.ts'
import type { Io } from './io.ts'
import { writableReportFile } from './report-file.ts'
import type { RunOptions } from './run-options.ts'
import { makeRecorder, type Recorder } from './state/record.ts'

export function recorderFor(options: RunOptions, io: Io): Recorder {
  const startedAt = clock.now()
  const head = {
    runId: options.runId !== undefined && isRunId(options.runId) ? options.runId : newRunId(startedAt),
    playbook: null,
    target: null,
    dryRun: options.dryRun === true || options.check === true,
    startedAt,
  }
  const told = {
    json: options.output === 'json',
    quiet: options.quiet === true,
    reportFile: writableReportFile(options.reportFile, io.cwd),
  }
  return makeRecorder(head, told, io, clock.now)
}
