/**
 * Runs on this host: the engine is the installed `hostops`, started as a job, so that neither its client's nor the
 * daemon's end is its end. Started in start.ts; followed, asked for and told in requests.ts; found again after
 * everything has died in recovery.ts.
 */
import { setMaxListeners } from 'node:events'
import { jobStart } from '../hostlink/daemon/exec/job-start.ts'
import { type Body, failure } from '../hostlink/daemon/peers/answer.ts'
import { createTurns } from '../hostlink/daemon/peers/turns.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { HostRuns, HostRunsOptions, RunService } from '../hostlink/daemon/run-service.ts'
import type { ExecRequest, RunStart } from '../hostlink/messages.ts'
import { systemReason } from '../process/system-error.ts'
import { runsHere } from '../runs/runs-here.ts'
import { goOnWaiting } from './abandoned-runs.ts'
import { answerRunRequest } from './answer-requests.ts'
import { type AroundRuns, ownerOf } from './around-runs.ts'
import { checkGrants } from './check-grants.ts'
import { goOnWith } from './continue-on-host.ts'
import { hostopsCommand, runsStateDir } from './hostops-command.ts'
import { findInstalled, grantProblems, type Installed } from './installed-playbooks.ts'
import { openHostRunStore } from './request-store.ts'
import { startOnHost } from './start-on-host.ts'

const RECOVER_EVERY_MS = 5000

/** The service that `bin/hostlinkd.ts` gives to the daemon. */
export const runService: RunService = {
  open: options => openHostRuns(options),
  grantProblems,
  checkGrants,
  stateFolder: runsStateDir,
}

const byToken: AroundRuns['by'] = ({ name }) => ({ kind: 'token', name })

export function openHostRuns(options: HostRunsOptions, by = byToken): HostRuns {
  const { config, hostEnv } = options
  const stateDir = runsStateDir(config(), hostEnv)
  const store = openHostRunStore(stateDir)
  const runs = runsHere(stateDir)
  const closing = new AbortController()
  const turns = createTurns()
  const inTurn: AroundRuns['inTurn'] = ({ policy }, read) =>
    policy.kind === 'full' ? read() : new Promise(resolve => turns.take(() => resolve(read())))
  const startJob: AroundRuns['startJob'] = (owner, key, argv, workdir, most) =>
    options.jobs.start(
      jobStart(
        jobRequest([...hostopsCommand(config()), ...argv], key, workdir, stateDir, config().jobMaxTimeoutMs),
        config(),
        hostEnv,
      ),
      ownerOf(owner),
      most,
    )
  const around: AroundRuns = { ...options, store, stateDir, runs, startJob, by, inTurn, again: new Map() }
  let recovery: { stop(): void } | null = null

  return {
    handle: async (request, token, decide, gone) => {
      if (request.action === 'start') return decidedStart(request, token, decide, around)
      const verdict = decide({ type: 'run', request, digest: null })
      if (!verdict.allowed) return denied(verdict.rule)
      if (request.action === 'resume' || request.action === 'rollback')
        return goOnWith(request, token, around)
      const ends = AbortSignal.any([gone, closing.signal])
      setMaxListeners(0, ends)
      return answerRunRequest(request, { ...around, token, gone: ends })
    },
    goOn: () => {
      recovery ??= goOnWaiting(around, RECOVER_EVERY_MS)
      store
        .removeLeftovers(Date.now())
        .catch(error => options.log.warn(`runs: what an earlier daemon left: ${systemReason(error)}`))
    },
    close: () => {
      recovery?.stop()
      closing.abort()
    },
  }
}

const denied = (rule: string): Body => ({ status: 'denied', error_msg: rule })

async function decidedStart(
  request: RunStart,
  token: Token,
  decide: Parameters<HostRuns['handle']>[2],
  around: AroundRuns,
): Promise<Body> {
  const { name } = request.playbook
  let installed: Installed | null
  try {
    installed = name === undefined ? null : findInstalled(name, around.config())
  } catch (error) {
    return failure(`the playbook cannot be read: ${systemReason(error)}`)
  }
  const verdict = decide({ type: 'run', request, digest: installed?.digest ?? null })
  if (!verdict.allowed) return denied(verdict.rule)
  const pinned = verdict.pinned ?? {}
  const open = installed === null ? null : await opens(token, installed, pinned)
  return open === null ? startOnHost(request, installed, pinned, token, around) : denied(open)
}

/** A token with a policy is not to choose what is started as root of the host. */
async function opens(
  { name, policy }: Token,
  { text }: Installed,
  pinned: Readonly<Record<string, unknown>>,
): Promise<string | null> {
  if (policy.kind === 'full') return null
  const { unguarded } = await import('./guarded.ts')
  const reason = unguarded(text.toString(), pinned)
  return reason === null ? null : `policy ${policy.kind} of token ${name}: ${reason}`
}

const jobRequest = (
  argv: readonly string[],
  key: string,
  workdir: string,
  stateDir: string,
  limitMs: number,
): ExecRequest => ({
  argv: [...argv],
  key,
  workdir,
  env: { HOSTOPS_STATE_DIR: stateDir },
  // A run has limits of its own.
  job_timeout_ms: limitMs,
  detach: true,
  command: undefined,
  timeout_ms: undefined,
  max_stdout_bytes: undefined,
  max_stderr_bytes: undefined,
  output_to_file: undefined,
  stream: undefined,
  cancel_on_disconnect: undefined,
  attach_only: undefined,
})
