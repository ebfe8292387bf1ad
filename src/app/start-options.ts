/** What a run is started with, and the mistakes in it that can be found before anything is read. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { DURATION_HINT, parseDuration, parseTimeLimit, TIME_LIMIT_HINT } from '../duration.ts'
import { isRunId, RUN_ID_RULE } from '../engine/run-id.ts'
import type { Failure } from '../failure.ts'

export type StartOptions = {
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
  /** Set for a runner that outlives every client. Only such a run can wait for a confirmation. */
  asHost?: boolean
  config?: string
  playbooks?: string
}

export function wrongStart(options: StartOptions, cwd: string): Failure | null {
  if (options.runId !== undefined && !isRunId(options.runId))
    return usage('--run-id is no run id', RUN_ID_RULE)
  if (options.timeout !== undefined && parseTimeLimit(options.timeout) === null)
    return usage('--timeout is no time limit', TIME_LIMIT_HINT)
  const wrong = waitLockProblem(options) ?? playbooksProblem(options.playbooks, cwd)
  if (wrong !== null) return wrong
  const asked = [
    ['--dry-run', options.dryRun],
    ['--check', options.check],
    ['--plan', options.plan !== undefined],
  ].flatMap(([option, given]) => (given ? [option] : []))
  return asked.length > 1 ? usage(`${asked.join(' and ')} exclude each other`, 'give one of them') : null
}

export const waitLockProblem = ({ waitLock }: Pick<StartOptions, 'waitLock'>): Failure | null =>
  waitLock === undefined || parseDuration(waitLock) !== null
    ? null
    : usage('--wait-lock is no duration', DURATION_HINT)

/** A playbook with the same name in another folder must not run instead. */
export const playbooksProblem = (folder: string | undefined, cwd: string): Failure | null =>
  folder === undefined || isFolder(resolve(cwd, folder))
    ? null
    : usage(`--playbooks: there is no folder "${folder}"`, 'name a folder that holds NAME.yaml files')

const usage = (problem: string, hint: string): Failure => ({ code: 'usage', problem, hint })

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
