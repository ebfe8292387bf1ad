/** Runs on this machine that outlive their client: the daemon's own code and spool, without a daemon. */
import { join } from 'node:path'
import { openHostRuns } from '../../host/service.ts'
import { parseConfig } from '../../hostlink/daemon/config/config.ts'
import type { Log } from '../../hostlink/daemon/config/log.ts'
import { jobSettings } from '../../hostlink/daemon/exec/job-start.ts'
import type { Token } from '../../hostlink/daemon/policy/policy.ts'
import { type RunAnswer, runRequest } from '../../hostlink/messages.ts'
import { openJobs } from '../../jobs/jobs.ts'
import { userHere } from '../../runs/caller.ts'
import { type Asked, type Host, refusal } from './host.ts'

const OWNER: Token = { name: 'local', policy: { kind: 'full' } }
const ignore = () => {}
const SILENT: Log = { error: ignore, warn: ignore, info: ignore, debug: ignore }

export function openLocalHost(state: string, program: string): Host {
  const settings = {
    ...defaults(),
    outputTmpdir: join(state, 'jobs'),
    envAllow: Object.keys(process.env),
    hostopsCommand: program,
    runsStateDir: state,
  }
  const jobs = openJobs({ settings: () => jobSettings(settings), log: SILENT })
  const runs = openHostRuns({ config: () => settings, log: SILENT, hostEnv: process.env, jobs }, userHere)
  return {
    target: 'local',
    ask: async (action, fields, signal = new AbortController().signal): Promise<Asked> => {
      const request = runRequest.safeParse({ action, ...fields })
      if (!request.success) {
        const [issue] = request.error.issues
        return refusal('local', 'bad_request', `${issue?.path.join('.') || 'request'}: ${issue?.message}`)
      }
      const answer = await runs.handle(request.data, OWNER, () => ({ allowed: true }), signal)
      if (answer.status !== 'ok')
        return refusal('local', answer.status, answer.error_msg ?? 'no reason given')
      return { ok: true, value: answer as unknown as RunAnswer }
    },
    close: () => {
      runs.close()
      jobs.close()
    },
  }
}

function defaults() {
  const parsed = parseConfig('auth_token = none-is-ever-asked-for', 'defaults')
  if ('problems' in parsed) throw new Error(parsed.problems.map(problem => problem.reason).join(', '))
  return parsed.config
}
