/**
 * Runs on this host: the engine is the installed `hostops`, started as a job, so that neither its client's nor the
 * daemon's end is its end. Started here; followed, asked for and told in requests.ts; found again after
 * everything has died in recovery.ts.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { ExecRequest, RunRequest, RunStart } from '../../messages.ts'
import { systemReason } from '../config/problem.ts'
import { type Body, badRequest, failure } from '../peers/answer.ts'
import type { Asked, Token, Verdict } from '../policy/policy.ts'
import { goOnWith } from './again.ts'
import { type AroundRuns, type HostRunsOptions, ownerOf } from './context.ts'
import { findInstalled, type Installed, playbookFolders } from './installed.ts'
import { hostopsCommand, runArguments, runsStateDir } from './program.ts'
import { goOnWaiting } from './recovery.ts'
import { answerRunRequest } from './requests.ts'
import { type HostRunRequest, openHostRunStore } from './store.ts'

export type HostRuns = {
  handle(request: RunRequest, token: Token, decide: Decide, gone: AbortSignal): Promise<Body>
  /** From now on, runs that wait for a confirmation go on when their runner is dead. */
  goOn(): void
  /** Ends waits. Runs go on. */
  close(): void
}

type Decide = (asked: Extract<Asked, { type: 'run' }>) => Verdict

const RECOVER_EVERY_MS = 5000

export function openHostRuns(options: HostRunsOptions): HostRuns {
  const { config, hostEnv } = options
  const stateDir = runsStateDir(config(), hostEnv)
  const store = openHostRunStore(stateDir)
  const closing = new AbortController()
  const startJob = (owner: string, key: string, argv: readonly string[], workdir: string) =>
    options.jobs.start(
      jobRequest([...hostopsCommand(config()), ...argv], key, workdir, stateDir, config().jobMaxTimeoutMs),
      ownerOf(owner),
    )
  const around: AroundRuns = { ...options, store, stateDir, startJob, again: new Map(), asking: { count: 0 } }
  let recovery: { stop(): void } | null = null

  return {
    handle: async (request, token, decide, gone) => {
      let installed: Installed | null = null
      try {
        const name = request.action === 'start' ? request.playbook.name : undefined
        if (name !== undefined) installed = findInstalled(name, config())
      } catch (error) {
        return failure(`the playbook cannot be read: ${systemReason(error)}`)
      }
      const verdict = decide({ type: 'run', request, digest: installed?.digest ?? null })
      if (!verdict.allowed) return { status: 'denied', error_msg: verdict.rule }
      if (request.action === 'resume' || request.action === 'rollback')
        return goOnWith(request, token, around)
      if (request.action === 'start') return start(request, installed, verdict.pinned ?? {}, token, around)
      const ends = AbortSignal.any([gone, closing.signal])
      setMaxListeners(0, ends)
      return answerRunRequest(request, token, { ...around, gone: ends })
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

async function start(
  request: RunStart,
  installed: Installed | null,
  pinned: Readonly<Record<string, unknown>>,
  token: Token,
  around: AroundRuns,
): Promise<Body> {
  const { store, log } = around
  const { name, text } = request.playbook
  if (name !== undefined && installed === null) {
    return {
      status: 'not_found',
      error_msg: `no playbook ${name} is installed on this host (in ${playbookFolders(around.config()).join(', ')})`,
    }
  }
  const runId = request.run_id ?? newRunId()
  // Begun by somebody on this host: whoever asks with its id must not come to own it.
  if (store.read(runId) === null && store.state(runId).begun) {
    return badRequest(`run_id: ${runId} was used for a run of somebody else`)
  }
  const texts = Object.entries(request.input_texts ?? {})
  const wanted: HostRunRequest = {
    token: token.name,
    identity: identityOf(request, token),
    playbook: name ?? 'sent by the client',
    argv: runArguments(
      runId,
      store.folder(runId),
      texts.map(([input]) => input),
      request,
    ),
    created_ms: Date.now(),
  }
  try {
    const created = await store.create(runId, wanted, {
      'playbook.yaml': installed?.text ?? text ?? '',
      'inputs.json': JSON.stringify({ ...request.inputs, ...pinned }),
      // Also for who goes on with the run, and takes only the secrets of it.
      'values.json': JSON.stringify({ ...request.inputs, ...Object.fromEntries(texts), ...pinned }),
      // The runner takes one line feed off the end, as editors leave one there.
      ...Object.fromEntries(texts.map(([, value], at) => [`input-${at}`, `${value}\n`])),
    })
    const known = created ? wanted : store.read(runId)
    if (known === null) return failure(`the request of run ${runId} cannot be read`)
    if (known.identity !== wanted.identity) {
      return badRequest(`run_id: ${runId} was used for another playbook or other inputs or options`)
    }
    const jobId = await jobOf(runId, known, around)
    if (typeof jobId !== 'string') return jobId
    if (created) log.info(`run ${runId} of ${known.playbook} begun by ${token.name}`)
    return { status: 'ok', run_id: runId, job_id: jobId, attached: !created }
  } catch (error) {
    return failure(`the run cannot be kept: ${systemReason(error)}`)
  }
}

/** The job is keyed: whoever finds a request without one starts it, and no two of them start it twice. */
async function jobOf(runId: string, request: HostRunRequest, around: AroundRuns): Promise<string | Body> {
  const { store, startJob } = around
  const known = store.job(runId)
  if (known !== null) return known
  const job = await startJob(request.token, `run/${runId}`, request.argv, store.folder(runId))
  if (job.job_id === undefined) {
    // Nothing ran, so that the same id may be tried again.
    store.remove(runId)
    return { status: job.status, error_msg: job.error_msg ?? 'the run could not be started' }
  }
  store.setJob(runId, job.job_id)
  return job.job_id
}

/** Equal for equal requests, whatever the order in which they were written. */
function identityOf({ playbook, inputs, input_texts, options }: RunStart, token: Token): string {
  const sorted = (values: object | undefined) =>
    Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const parts = [
    token.name,
    playbook.name ?? null,
    playbook.text ?? null,
    sorted(inputs),
    sorted(input_texts),
  ]
  const chosen = sorted(options).filter(([, value]) => value !== undefined)
  return createHash('sha256')
    .update(JSON.stringify([...parts, chosen]))
    .digest('hex')
}

function newRunId(): string {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  return `${stamp}-${randomBytes(3).toString('hex')}`
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
