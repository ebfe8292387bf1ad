/** Answers what is asked about runs on this host: list, report, wait, events, logs, confirm, cancel. */
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Body, badRequest, failure } from '../hostlink/daemon/peers/answer.ts'
import { placesFor } from '../hostlink/daemon/policy/places.ts'
import type { Token } from '../hostlink/daemon/policy/policy.ts'
import type { RunRequest } from '../hostlink/messages.ts'
import { logsInOrder } from '../runs/step-log-text.ts'
import { type AroundRuns, ownerOf } from './context.ts'
import { askProgram, callerArguments } from './hostops-command.ts'
import { offeredPlaybooks } from './playbooks.ts'
import { hangsOnConfirmation } from './recovery.ts'

type Around = AroundRuns & { readonly gone: AbortSignal; readonly token: Token }
type On<A extends RunRequest['action']> = Extract<RunRequest, { action: A }>

const LONGEST_WAIT_MS = 60_000
const POLL_MS = 200
const BEGINS_WITHIN_MS = 20_000
const MOST_LISTED = 200
const MOST_ASKING = 4
const CHUNK_BYTES = 256 * 1024
const RESULT_PREFIX = 'OPENCLAW_RESULT_JSON:'
const BUSY = 'server busy, max concurrent commands reached'

export async function answerRunRequest(
  request: Exclude<RunRequest, { action: 'start' | 'resume' | 'rollback' }>,
  around: Around,
): Promise<Body> {
  const { token } = around
  if (request.action === 'list') return list(around)
  if (request.action === 'playbooks')
    return offeredPlaybooks(token, around.config(), args => asked(args, around))
  const { run_id: runId } = request
  if (!mayUse(token, runId, around)) return { status: 'not_found', error_msg: `no such run: ${runId}` }
  switch (request.action) {
    case 'report':
      return report(runId, around)
    case 'wait':
      return wait(request, around)
    case 'events':
      return events(request, around)
    case 'logs':
      return logs(request, around)
    case 'confirm':
      return ask(['confirm', runId, ...callerArguments({ by: around.by(token) })], runId, around)
    case 'cancel':
      return ask(
        ['cancel', runId, '--signal', request.signal ?? 'TERM', ...callerArguments({ by: around.by(token) })],
        runId,
        around,
      )
  }
}

export function mayUse({ name, policy }: Token, runId: string, { store }: AroundRuns): boolean {
  const request = store.read(runId)
  return policy.kind === 'full' ? request !== null || store.state(runId).begun : request?.token === name
}

async function list(around: Around): Promise<Body> {
  const said = await asked(['runs', '--json', '--limit', String(MOST_LISTED)], around)
  if ('status' in said) return said
  let runs: { runId: string }[]
  try {
    runs = JSON.parse(said.stdout)
  } catch {
    return failure(`hostops does not tell its runs: ${said.stderr.trim()}`)
  }
  const { token } = around
  const seesAll = token.policy.kind === 'full'
  return { status: 'ok', runs: runs.filter(run => seesAll || mayUse(token, run.runId, around)) }
}

async function ask(args: readonly string[], runId: string, around: Around): Promise<Body> {
  const said = await asked(args, around)
  return 'status' in said ? said : { status: 'ok', run_id: runId, ...said }
}

async function asked(args: readonly string[], { config, hostEnv, stateDir, asking, token }: Around) {
  if (asking.count >= placesFor(token, MOST_ASKING)) return failure(BUSY)
  asking.count += 1
  try {
    const said = await askProgram(args, { config: config(), hostEnv, stateDir })
    return said ?? failure(`hostops ${args[0]} did not answer`)
  } finally {
    asking.count -= 1
  }
}

/** The stored line, or what the program makes of the journal. A run that could not even make its folder has said how it ended on the job's own output. */
async function report(runId: string, around: Around, until = Date.now() + BEGINS_WITHIN_MS): Promise<Body> {
  const { store, jobs } = around
  const stored = store.report(runId)
  // Characters beyond these are written in a way of its own, which the program knows.
  if (stored !== null && /^[\x20-\x7e]+$/.test(stored.text)) {
    const stdout = `${RESULT_PREFIX}${stored.text}\n`
    return { status: 'ok', run_id: runId, exit_code: stored.exitCode, stdout, stderr: '' }
  }
  const request = store.read(runId)
  const job = store.job(runId)
  if (store.state(runId).begun || request === null || job === null)
    return ask(['report', runId], runId, around)
  const owner = ownerOf(request.token)
  const info = await jobs.handle({ action: 'status', job_id: job }, owner)
  const output = await jobs.handle(
    { action: 'tail', job_id: job, stream: 'stdout', offset: 0, max_bytes: 4 * 1024 * 1024, wait_ms: 0 },
    owner,
  )
  if (info.status !== 'ok' || output.data === undefined) return gone(runId)
  if (!info.done) {
    // Its runner is starting: asked a moment later, there is a line.
    if (Date.now() >= until || around.gone.aborted) return failure(`run ${runId} has not begun yet`)
    await sleep(POLL_MS, undefined, { signal: around.gone }).catch(() => {})
    return report(runId, around, until)
  }
  if (!output.data.startsWith(RESULT_PREFIX))
    return failure(`run ${runId} did not begin: ${info.error_msg ?? 'no report'}`)
  return { status: 'ok', run_id: runId, exit_code: info.exit_code, stdout: output.data, stderr: '' }
}

const gone = (runId: string): Body => ({
  status: 'not_found',
  error_msg: `run ${runId} has ended, and its report is kept no longer`,
})

async function wait({ run_id, job_id, timeout_ms }: On<'wait'>, around: Around): Promise<Body> {
  const limit = Math.min(Math.max(timeout_ms ?? LONGEST_WAIT_MS, 0), LONGEST_WAIT_MS)
  for (const deadline = Date.now() + limit; ; ) {
    const over = job_id === undefined ? await isOver(run_id, around) : await hasEnded(run_id, job_id, around)
    if (over) {
      const told = await (job_id === undefined ? report(run_id, around) : printed(run_id, job_id, around))
      return told.status === 'ok' ? { ...told, done: true } : told
    }
    const left = deadline - Date.now()
    if (left <= 0 || around.gone.aborted) return { status: 'ok', run_id, done: false }
    await sleep(Math.min(POLL_MS, left), undefined, { signal: around.gone }).catch(() => {})
  }
}

/** Of one runner, whatever came before it: whoever is not found has ended. */
async function hasEnded(runId: string, job: string, { store, jobs }: Around): Promise<boolean> {
  const owner = store.read(runId)?.token
  if (owner === undefined) return true
  const info = await jobs.handle({ action: 'status', job_id: job }, ownerOf(owner))
  return info.status !== 'ok' || info.done === true
}

/** The line that a runner ended with; the run's own report where it said none. */
async function printed(runId: string, job: string, around: Around): Promise<Body> {
  const owner = ownerOf(around.store.read(runId)?.token ?? '')
  const info = await around.jobs.handle({ action: 'status', job_id: job }, owner)
  const output = await around.jobs.handle(
    { action: 'tail', job_id: job, stream: 'stdout', offset: 0, max_bytes: 4 * 1024 * 1024, wait_ms: 0 },
    owner,
  )
  if (info.status !== 'ok' || !output.data?.startsWith(RESULT_PREFIX)) return report(runId, around)
  return { status: 'ok', run_id: runId, exit_code: info.exit_code, stdout: output.data, stderr: '' }
}

async function isOver(runId: string, { store, jobs }: Around): Promise<boolean> {
  const { ended, alive } = store.state(runId)
  if (ended || alive) return ended
  const request = store.read(runId)
  const job = store.job(runId)
  if (request !== null && job !== null) {
    const info = await jobs.handle({ action: 'status', job_id: job }, ownerOf(request.token))
    if (info.status === 'ok' && !info.done) return false
  }
  // Somebody goes on with it soon.
  return store.state(runId).ended || !hangsOnConfirmation(store.journal(runId))
}

/** What the runner tells while it works: the job's stderr. Another runner's words begin at their beginning. */
async function events(request: On<'events'>, { store, jobs, gone: signal }: Around): Promise<Body> {
  const { run_id, job_id, offset = 0, max_bytes, wait_ms } = request
  const owner = store.read(run_id)
  const job = store.job(run_id)
  if (owner === null || job === null)
    return { status: 'not_found', error_msg: `nobody can follow run ${run_id}` }
  const from = job_id === undefined || job_id === job ? offset : 0
  const tail = await jobs.handle(
    { action: 'tail', job_id: job, stream: 'stderr', offset: from, max_bytes, wait_ms },
    ownerOf(owner.token),
    signal,
  )
  if (tail.status !== 'ok')
    return { status: tail.status, ...(tail.error_msg ? { error_msg: tail.error_msg } : {}) }
  const { data, next_offset, binary, done } = tail
  return { status: 'ok', run_id, job_id: job, data, offset: from, next_offset, binary, done }
}

/** Names of the steps' logs with their sizes; of one of them, bytes from `offset` on, in base64. */
async function logs({ run_id, file, offset = 0 }: On<'logs'>, { store }: Around): Promise<Body> {
  const folder = store.steps(run_id)
  const names = logsInOrder(await readdir(folder).catch(() => []))
  if (file === undefined) {
    const files = await Promise.all(
      names.map(async name => ({
        name,
        bytes: (await stat(join(folder, name)).catch(() => null))?.size ?? 0,
      })),
    )
    return { status: 'ok', run_id, files }
  }
  if (!names.includes(file)) return badRequest('file: is no log of this run')
  const handle = await open(join(folder, file), 'r')
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    const { bytesRead } = await handle.read(buffer, 0, CHUNK_BYTES, offset)
    const data = buffer.subarray(0, bytesRead).toString('base64')
    return { status: 'ok', run_id, data, offset, next_offset: offset + bytesRead }
  } finally {
    await handle.close()
  }
}
