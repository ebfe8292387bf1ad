/** What `hostops run` was told, as commander hands it over, and what of it cannot be. */
import { resolve } from 'node:path'
import { DURATION_HINT, parseDuration, parseTimeLimit, TIME_LIMIT_HINT } from '../duration.ts'
import { isRunId, RUN_ID_RULE } from '../engine/run-id.ts'
import type { Failure } from '../failure.ts'
import { playbooksProblem } from './catalog-options.ts'
import { reportFileProblem } from './report-file.ts'

export type RunOptions = {
  input: string[]
  inputs?: string
  target?: string
  dryRun?: boolean
  check?: boolean
  plan?: string
  /** False with --no-rollback. */
  rollback: boolean
  allowDirty?: boolean
  timeout?: string
  waitLock?: string
  runId?: string
  onHost?: boolean
  detach?: boolean
  asHost?: boolean
  caller?: string
  output: 'auto' | 'tree' | 'lines' | 'json'
  quiet?: boolean
  reportFile?: string
  config?: string
  playbooks?: string
}

export function wrongUse(options: RunOptions, cwd: string): Failure | null {
  const usage = (problem: string, hint: string): Failure => ({ code: 'usage', problem, hint })
  if (options.runId !== undefined && !isRunId(options.runId))
    return usage('--run-id is no run id', RUN_ID_RULE)
  if (options.timeout !== undefined && parseTimeLimit(options.timeout) === null)
    return usage('--timeout is no time limit', TIME_LIMIT_HINT)
  const wrong = waitLockProblem(options) ?? playbooksProblem(options.playbooks, cwd)
  if (wrong !== null) return wrong
  if (options.reportFile === '') return usage('--report-file is empty', 'name a file that can be written')
  const file = options.reportFile === undefined ? null : reportFileProblem(resolve(cwd, options.reportFile))
  if (file !== null)
    return usage(`--report-file ${options.reportFile} ${file}`, 'name a file that can be written')
  const asked = [
    ['--dry-run', options.dryRun],
    ['--check', options.check],
    ['--plan', options.plan !== undefined],
  ].flatMap(([option, given]) => (given ? [option] : []))
  if (asked.length > 1) return usage(`${asked.join(' and ')} exclude each other`, 'give one of them')
  if ((options.onHost || options.detach) && options.dryRun)
    return usage(
      '--dry-run contacts no host',
      'leave --on-host and --detach out, or ask the host with --check --on-host',
    )
  return null
}

export const waitLockProblem = ({ waitLock }: Pick<RunOptions, 'waitLock'>): Failure | null =>
  waitLock === undefined || parseDuration(waitLock) !== null
    ? null
    : { code: 'usage', problem: '--wait-lock is no duration', hint: DURATION_HINT }
