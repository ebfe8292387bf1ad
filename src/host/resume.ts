/**
 * `resume` and `rollback` of a run on this host: the same program goes on with it, as a job of its own. Both are safe
 * to ask for twice; one attempt, asked for again because its answer was lost, is one job.
 */

import { type Body, failure } from '../hostlink/daemon/peers/answer.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { RunRequest } from '../hostlink/messages.ts'
import { mayLive } from '../runs/run-status.ts'
import type { AroundRuns } from './context.ts'
import { callerArguments } from './hostops-command.ts'
import { mayUse } from './requests.ts'

type Again = Extract<RunRequest, { action: 'resume' | 'rollback' }>

export async function goOnWith(request: Again, token: Token, around: AroundRuns): Promise<Body> {
  const { action, run_id: runId } = request
  const { store, stateDir, again } = around
  if (!mayUse(token, runId, around)) return { status: 'not_found', error_msg: `no such run: ${runId}` }
  const known = store.read(runId)
  if (known === null) {
    const there = `HOSTOPS_STATE_DIR=${stateDir} hostops ${action} ${runId}`
    return failure(`run ${runId} was begun on the host itself; go on with it there: ${there}`)
  }
  const status = store.status(runId)
  // Beside a runner that lives it only says so; whoever follows the run goes on to follow that one.
  if (status !== null && mayLive(status)) return begin(request, known.token, token, around)
  // From here on: what is given must not be taken for what an ended run has left.
  again.set(runId, null)
  let job = ''
  try {
    const begun = await begin(request, known.token, token, around)
    if (typeof begun['job_id'] === 'string') {
      job = begun['job_id']
      store.setJob(runId, job)
    }
    return begun
  } finally {
    again.set(runId, job)
  }
}

async function begin(request: Again, owner: string, token: Token, around: AroundRuns): Promise<Body> {
  const { action, run_id: runId, attempt } = request
  const { store, startJob, log } = around
  if (request.input_texts !== undefined) store.giveValues(runId, request.input_texts)
  const { assume, wait_lock, rebuild } = request.options ?? {}
  const values = store.values(runId)
  const argv = [
    ...[action, runId, '--as-host', '--output', 'json'],
    ...callerArguments({ by: around.by(token) }),
    ...(values === null ? [] : ['--inputs', values]),
    ...(assume === undefined ? [] : ['--assume', assume]),
    ...(wait_lock === undefined ? [] : ['--wait-lock', wait_lock]),
    ...(rebuild === true && action === 'rollback' ? ['--rebuild'] : []),
  ]
  const job = await startJob(owner, `run/${runId}/${action}/${attempt}`, argv, store.folder(runId))
  if (job.job_id === undefined)
    return { status: job.status, error_msg: job.error_msg ?? `hostops ${action} could not be started` }
  log.info(`${action} of run ${runId} begun by ${token.name}`)
  return { status: 'ok', run_id: runId, job_id: job.job_id }
}
