/** Runs on this machine that outlive their client: the daemon's own code and spool, without a daemon. */
import { join } from 'node:path'
import type { By } from '../engine/events.ts'
import type { Log } from '../hostlink/daemon/config/log.ts'
import type { Token, Verdict } from '../hostlink/daemon/policy/policy.ts'
import type { RunSettings } from '../hostlink/daemon/run-service.ts'
import { type RunAnswer, type RunRequest, runRequest } from '../hostlink/messages.ts'
import { type JobSettings, openJobs } from '../jobs/jobs.ts'
import { agentHere, userHere } from '../runs/caller.ts'
import { type HostLink, refusal } from '../runs/host-link.ts'
import { openHostRuns } from './service.ts'

const ignore = () => {}
const SILENT: Log = { error: ignore, warn: ignore, info: ignore, debug: ignore }
const MOST_JOBS = 64
const DAY_S = 86_400
const WEEK_MS = 7 * DAY_S * 1000
const SPOOL_BYTES = 256 * 1024 * 1024

/** An agent sees the runs that agents have started here, and no others. Its name is one that no token can have. */
const OWNERS = {
  user: { by: userHere, token: { name: 'local', policy: { kind: 'full' } } },
  agent: { by: agentHere, token: { name: 'hostops mcp', policy: { kind: 'playbooks', playbooks: [] } } },
} as const satisfies Record<string, { by: () => By; token: Token }>

export type LocalOwner = keyof typeof OWNERS

export function openLocalHost(state: string, program: string, owner: LocalOwner = 'user'): HostLink {
  const { by, token } = OWNERS[owner]
  const settings: RunSettings = {
    runsStateDir: state,
    playbooksDir: '/etc/hostops/playbooks',
    hostopsCommand: program,
    shell: '/bin/sh',
    envAllow: Object.keys(process.env),
    maxJobs: MOST_JOBS,
    jobMaxTimeoutMs: WEEK_MS,
  }
  const ofJobs: JobSettings = {
    folder: join(state, 'jobs'),
    most: MOST_JOBS,
    retentionS: DAY_S,
    maxSpoolBytes: SPOOL_BYTES,
    defaultTimeoutMs: WEEK_MS,
    maxTimeoutMs: WEEK_MS,
  }
  const jobs = openJobs({ settings: () => ofJobs, log: SILENT })
  const runs = openHostRuns({ config: () => settings, log: SILENT, hostEnv: process.env, jobs }, by)
  return {
    target: 'local',
    ask: async (action, fields, signal = new AbortController().signal) => {
      const request = runRequest.safeParse({ action, ...fields })
      if (!request.success) {
        const [issue] = request.error.issues
        return refusal('local', 'bad_request', `${issue?.path.join('.') || 'request'}: ${issue?.message}`)
      }
      const verdict = owner === 'agent' ? await judgeAgent(request.data) : ALLOWED
      const answer = await runs.handle(request.data, token, () => verdict, signal)
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

const ALLOWED: Verdict = { allowed: true }

const MENDED = 'the settings give that input its value, or the playbook a pattern'

/** An agent may choose what a token with a policy may: not what is started with the rights of this user. */
async function judgeAgent(request: RunRequest): Promise<Verdict> {
  if (request.action !== 'start') return ALLOWED
  const { playbook, inputs = {}, input_texts = {} } = request
  const { unguardedStart } = await import('./guarded.ts')
  const why = unguardedStart(playbook.text ?? '', inputs, Object.keys(input_texts))
  return why === null ? ALLOWED : { allowed: false, rule: `${why}; an agent may not, unless ${MENDED}` }
}
