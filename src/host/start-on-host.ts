/** A run on this host begins, once for each id: the request is kept, then the program is started as a job. */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Body, badRequest, failure } from '../hostlink/daemon/peers/answer.ts'
import { placesFor } from '../hostlink/daemon/policy/places.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { RunStart } from '../hostlink/messages.ts'
import { systemReason } from '../process/system-error.ts'
import { type AroundRuns, ownerOf } from './around-runs.ts'
import { runArguments } from './hostops-command.ts'
import { type Installed, playbookFolders } from './installed-playbooks.ts'
import type { HostRunRequest } from './request-store.ts'

/** Of a token that may do nothing but that: the places for jobs belong to everybody. */
const MOST_AT_A_TIME = 8
const APPEARS_WITHIN_MS = 5000
const LOOK_AGAIN_MS = 20

export async function startOnHost(
  request: RunStart,
  installed: Installed | null,
  pinned: Readonly<Record<string, unknown>>,
  token: Token,
  around: AroundRuns,
): Promise<Body> {
  const { store, log } = around
  const runId = request.run_id ?? newRunId()
  const problem = problemWith(request, installed, runId, around)
  if (problem !== null) return problem
  const wanted = requestOf(runId, request, installed, token, around)
  const isAnew = mends(wanted, runId, store)
  if (isAnew) {
    store.forgetMistake(runId)
    wanted.key = `run/${runId}/again/${randomBytes(8).toString('hex')}`
    // From here on: that the mistake has ended is not to be taken for the end of this one.
    around.again.set(runId, null)
  }
  let job = ''
  try {
    const created = await store.create(runId, wanted, filesOf(request, installed, pinned))
    const known = created ? wanted : store.read(runId)
    if (known === null) return failure(`the request of run ${runId} cannot be read`)
    if (known.identity !== wanted.identity) return usedFor(runId)
    const jobId = await jobOf(runId, known, token, around)
    if (typeof jobId !== 'string') return jobId
    job = jobId
    if (created) log.info(`run ${runId} of ${known.playbook} begun by ${token.name}`)
    await appeared(runId, { job: jobId, owner: known.token }, around)
    return { status: 'ok', run_id: runId, job_id: jobId, attached: !created }
  } catch (error) {
    return failure(`the run cannot be kept: ${systemReason(error)}`)
  } finally {
    if (isAnew) around.again.set(runId, job)
  }
}

function problemWith(
  { playbook: { name } }: RunStart,
  installed: Installed | null,
  runId: string,
  { store, config }: AroundRuns,
): Body | null {
  if (name !== undefined && installed === null) {
    const folders = playbookFolders(config()).join(', ')
    return {
      status: 'not_found',
      error_msg: `no playbook ${name} is installed on this host (in ${folders})`,
    }
  }
  // Begun by somebody on this host: whoever asks with its id must not come to own it.
  if (store.read(runId) === null && store.hasRun(runId))
    return badRequest(`run_id: ${runId} was used for a run of somebody else`)
  return null
}

const usedFor = (runId: string): Body =>
  badRequest(
    `run_id: ${runId} was used for another playbook or other inputs or options; hostops report ${runId} tells of that run, another id begins a new one`,
  )

const textsOf = ({ input_texts }: RunStart) => Object.entries(input_texts ?? {})

function requestOf(
  runId: string,
  request: RunStart,
  installed: Installed | null,
  token: Token,
  { store, by }: AroundRuns,
): HostRunRequest {
  const inputs = textsOf(request).map(([input]) => input)
  return {
    token: token.name,
    identity: identityOf(request, token),
    playbook: request.playbook.name ?? 'sent by the client',
    argv: runArguments(runId, store.folder(runId), inputs, request, by(token)),
    created_ms: Date.now(),
    ...(installed === null ? {} : { digest: installed.digest }),
  }
}

function filesOf(request: RunStart, installed: Installed | null, pinned: Readonly<Record<string, unknown>>) {
  const texts = textsOf(request)
  return {
    'playbook.yaml': installed?.text ?? request.playbook.text ?? '',
    'inputs.json': JSON.stringify({ ...request.inputs, ...pinned }),
    // Also for who goes on with the run, and takes only the secrets of it.
    'values.json': JSON.stringify({ ...request.inputs, ...Object.fromEntries(texts), ...pinned }),
    // The runner takes one line feed off the end, as editors leave one there.
    ...Object.fromEntries(texts.map(([, value], at) => [`input-${at}`, `${value}\n`])),
  }
}

/** Whoever is told that a run has started may look for it at once, also in the state folder itself. */
async function appeared(
  runId: string,
  { job, owner }: { job: string; owner: string },
  { store, jobs }: AroundRuns,
): Promise<void> {
  for (const until = Date.now() + APPEARS_WITHIN_MS; !store.hasRun(runId) && Date.now() < until; ) {
    const info = await jobs.handle({ action: 'status', job_id: job }, ownerOf(owner))
    if (info.status !== 'ok' || info.done) return
    await sleep(LOOK_AGAIN_MS)
  }
}

/** Asked with the id of a run that nothing came of but being told what was wrong, by the same one, and not with the same. */
function mends(
  { token, identity, digest }: HostRunRequest,
  runId: string,
  store: AroundRuns['store'],
): boolean {
  const before = store.read(runId)
  const isSame = before?.identity === identity && before.digest === digest
  return before?.token === token && !isSame && store.status(runId) === 'mistake'
}

/** The job is keyed: whoever finds a request without one starts it, and no two of them start it twice. */
async function jobOf(
  runId: string,
  request: HostRunRequest,
  token: Token,
  around: AroundRuns,
): Promise<string | Body> {
  const { store, startJob, config } = around
  const known = store.job(runId)
  if (known !== null) return known
  const isOwner = token.policy.kind === 'full'
  const most = isOwner ? {} : { ofToken: MOST_AT_A_TIME, ofAll: placesFor(token, config().maxJobs) }
  const key = request.key ?? `run/${runId}`
  const job = await startJob(request.token, key, request.argv, store.folder(runId), most)
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
