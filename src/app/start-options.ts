/** The options that start a run, and the mistakes in them that can be found before anything is read. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseDuration, parseTimeLimit } from '../duration.ts'
import { isRunId } from '../engine/run-id.ts'
import type { Failure, Mistake } from '../failure.ts'

export type StartOptions = {
  input: string[]
  inputs?: string
  /** Values as texts, in which nothing is looked up: `@x` is `@x`. Only for a run at a host. */
  texts?: Readonly<Record<string, string>>
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
  /** For whom this process was started, as JSON. */
  caller?: string
  config?: string
  playbooks?: string
}

export function wrongStart(options: StartOptions, cwd: string): Failure | null {
  if (options.runId !== undefined && !isRunId(options.runId)) return wrongOption('--run-id', 'run-id')
  if (options.timeout !== undefined && parseTimeLimit(options.timeout) === null)
    return wrongOption('--timeout', 'time-limit')
  const wrong = waitLockProblem(options) ?? playbooksProblem(options.playbooks, cwd)
  if (wrong !== null) return wrong
  const exclusive: [string, boolean | undefined][] = [
    ['--dry-run', options.dryRun],
    ['--check', options.check],
    ['--plan', options.plan !== undefined],
  ]
  const given = exclusive.flatMap(([option, isGiven]) => (isGiven ? [option] : []))
  return given.length > 1 ? { code: 'usage', what: 'options-exclude', options: given } : null
}

export const waitLockProblem = ({ waitLock }: Pick<StartOptions, 'waitLock'>): Failure | null =>
  waitLock === undefined || parseDuration(waitLock) !== null ? null : wrongOption('--wait-lock', 'duration')

/** A playbook with the same name in another folder must not run instead. */
export const playbooksProblem = (folder: string | undefined, cwd: string): Failure | null =>
  folder === undefined || isFolder(resolve(cwd, folder))
    ? null
    : { code: 'usage', what: 'playbooks-folder', folder }

export const wrongOption = (
  option: string,
  wants: Extract<Mistake, { what: 'option' }>['wants'],
): Failure => ({ ...{ code: 'usage', what: 'option' }, option, wants })

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
