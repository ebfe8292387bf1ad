/** Jobs in a private folder, without a daemon around them. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, parseConfig } from '../../src/hostlink/daemon/config/config.ts'
import type { Log } from '../../src/hostlink/daemon/config/log.ts'
import { jobOwner, jobSettings, jobStart } from '../../src/hostlink/daemon/exec/job-start.ts'
import type { Token } from '../../src/hostlink/daemon/policy/policy.ts'
import { type ExecRequest, execRequest, type JobRequest, jobRequest } from '../../src/hostlink/messages.ts'
import type { Most } from '../../src/jobs/job-table.ts'
import { type JobAnswer, type Jobs, openJobs } from '../../src/jobs/jobs.ts'

export const full: Token = { name: 'default', policy: { kind: 'full' } }
export const narrow = (name: string): Token => ({ name, policy: { kind: 'allowlist', rules: [] } })
export const quiet: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} }

/** Asked as the daemon does it, in the words of the wire. */
export type AskedJobs = Omit<Jobs, 'start' | 'handle'> & {
  start(request: ExecRequest, token: Token, most?: Partial<Most>): ReturnType<Jobs['start']>
  handle(query: JobRequest, token: Token, gone?: AbortSignal): Promise<JobAnswer>
}

export type JobsRig = {
  readonly folder: string
  readonly jobs: AskedJobs
  /** Another daemon on the same folder; it is closed with the rig. */
  open(): AskedJobs
  spool(id: string, file?: string): string
  ask(fields: object, token?: Token, jobs?: AskedJobs): Promise<JobAnswer>
  begin(fields: object, token?: Token, jobs?: AskedJobs): Promise<string>
  /** Begins a job and waits for its end. */
  run(fields: object, token?: Token): Promise<JobAnswer>
  close(): Promise<void>
}

export function jobsRig(settings: Partial<Config> = {}, under = tmpdir()): JobsRig {
  const folder = mkdtempSync(join(under, 'hostlink-jobs-'))
  const parsed = parseConfig('auth_token = 0123456789abcdef', 'test.conf')
  if ('problems' in parsed) throw new Error('the test config is broken')
  const config: Config = { ...parsed.config, outputTmpdir: folder, ...settings }
  const opened: Jobs[] = []
  const open = (): AskedJobs => {
    const jobs = openJobs({ settings: () => jobSettings(config), log: quiet })
    opened.push(jobs)
    return {
      ...jobs,
      start: (request: ExecRequest, token: Token, most?: Partial<Most>) =>
        jobs.start(jobStart(request, config, process.env), jobOwner(token), most),
      handle: (query: JobRequest, token: Token, gone?: AbortSignal) =>
        jobs.handle(query, jobOwner(token), gone),
    }
  }
  const jobs = open()
  const ask = (fields: object, token = full, on = jobs) => on.handle(asJob(fields), token)
  const begin = async (fields: object, token = full, on = jobs) => {
    const answer = await on.start(asExec(fields), token)
    if (answer.job_id === undefined) throw new Error(`not begun: ${JSON.stringify(answer)}`)
    return answer.job_id
  }
  return {
    folder,
    jobs,
    open,
    ask,
    begin,
    spool: (id, file = '') => join(folder, 'jobs', id, file),
    run: async (fields, token = full) => ask({ action: 'wait', job_id: await begin(fields, token) }, token),
    close: async () => {
      const { jobs: all = [] } = await ask({ action: 'list' })
      for (const { job_id, done } of all) {
        if (!done) await ask({ action: 'cancel', job_id, signal: 'KILL' })
      }
      for (const { job_id, done } of all) if (!done) await ask({ action: 'wait', job_id })
      for (const each of opened) each.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const asExec = (fields: object): ExecRequest => execRequest.parse({ detach: true, ...fields })
export const asJob = (fields: object): JobRequest => jobRequest.parse(fields)

export async function until<T>(what: string, probe: () => T | Promise<T>, limitMs = 20_000): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const value = await probe()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`never came true: ${what}`)
    await sleep(20)
  }
}

export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return false
  }
}

/** Pids of processes whose arguments contain the text. */
export function processesWith(text: string): number[] {
  const pids = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
  return pids.filter(pid => {
    try {
      return isRunning(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
    } catch {
      return false
    }
  })
}

export const readIfThere = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')
