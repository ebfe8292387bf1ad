/** Answers `job` requests: list, status, tail, wait, cancel. */
import { join } from 'node:path'
import { ringBell } from '../process/bell.ts'
import { isAlive } from '../process/identity.ts'
import { endTree } from '../process/tree.ts'
import type { JobInfo, JobQuery, JobStatus, Owner } from './job-info.ts'
import type { Job, JobTable } from './job-table.ts'
import type { Watches } from './job-watch.ts'
import { readSpool } from './spool.ts'
import { replaceFile } from './spool-files.ts'
import { type Chunk, readChunk } from './spool-output.ts'

/** An answer without its envelope; `error_msg` stands right behind `status`. */
export type JobAnswer = { status: JobStatus; error_msg?: string } & Partial<JobInfo> & {
    jobs?: JobInfo[]
    data?: string
    offset?: number
    next_offset?: number
    binary?: boolean
    signalled?: boolean
  }

type Around = { readonly table: JobTable; readonly watches: Watches; readonly gone: AbortSignal }
type On<A extends JobQuery['action']> = Extract<JobQuery, { action: A }>

const LONGEST_WAIT_MS = 60_000
const DEFAULT_CHUNK_BYTES = 64 * 1024
const LARGEST_CHUNK_BYTES = 4 * 1024 * 1024
/** The whole command is in the answer to `status`; a list of many long ones would outgrow a frame. */
const LISTED_COMMAND_CHARACTERS = 1024

export async function answerJobQuery(request: JobQuery, owner: Owner, around: Around): Promise<JobAnswer> {
  if (request.action === 'list') return list(owner, around.table)
  const job = await around.table.get(request.job_id)
  // Whose a job is stays as it is, so that asking once is enough.
  if (job === null || !mayUse(owner, job)) return notFound(request.job_id)
  switch (request.action) {
    case 'status':
      return { status: 'ok', ...job.info }
    case 'tail':
      return tail(request, around)
    case 'wait':
      return wait(request, around)
    case 'cancel':
      return cancel(request, job, around.table)
  }
}

const mayUse = (owner: Owner, { spool }: Job): boolean => owner.seesAll || spool.meta.token === owner.name

const notFound = (id: string): JobAnswer => ({ status: 'not_found', error_msg: `no such job: ${id}` })

async function list(owner: Owner, table: JobTable): Promise<JobAnswer> {
  const jobs = (await table.all()).filter(job => mayUse(owner, job))
  jobs.sort((a, b) => a.spool.meta.created_ms - b.spool.meta.created_ms)
  return { status: 'ok', jobs: jobs.map(({ info }) => ({ ...info, command: shorten(info.command) })) }
}

const shorten = (command: string): string =>
  command.length <= LISTED_COMMAND_CHARACTERS ? command : `${command.slice(0, LISTED_COMMAND_CHARACTERS)}…`

async function wait({ job_id, timeout_ms }: On<'wait'>, around: Around): Promise<JobAnswer> {
  const limitMs = timeout_ms === undefined ? LONGEST_WAIT_MS : clamp(timeout_ms, 0, LONGEST_WAIT_MS)
  const probe = async (isLast: boolean): Promise<JobAnswer | null> => {
    const job = await around.table.get(job_id)
    if (job === null) return notFound(job_id)
    return job.info.done || isLast ? { status: 'ok', ...job.info } : null
  }
  return watched(job_id, ['status'], limitMs, around, probe)
}

async function tail(request: On<'tail'>, around: Around): Promise<JobAnswer> {
  const { job_id, stream = 'stdout', offset = 0, max_bytes = 0, wait_ms = 0 } = request
  const most = max_bytes <= 0 ? DEFAULT_CHUNK_BYTES : Math.min(max_bytes, LARGEST_CHUNK_BYTES)
  const probe = async (isLast: boolean): Promise<JobAnswer | null> => {
    // The state before the data: `done` then means that nothing comes behind what is read here.
    const job = await around.table.get(job_id)
    if (job === null) return notFound(job_id)
    const folder = join(around.table.root(), job_id)
    const chunk = await readChunk(folder, stream, offset, most, job.info.done)
    const isMet = chunk.nextOffset > offset || job.info.done || isLast
    return isMet ? tailAnswer(chunk, offset, job.info) : null
  }
  return watched(job_id, [stream, 'status'], clamp(wait_ms, 0, LONGEST_WAIT_MS), around, probe)
}

const tailAnswer = (chunk: Chunk, offset: number, { state, done }: JobInfo): JobAnswer => ({
  status: 'ok',
  data: chunk.data,
  offset,
  next_offset: chunk.nextOffset,
  binary: chunk.binary,
  state,
  done,
})

/** Asks `probe` whenever one of the files changed, until it has an answer; at the limit it must have one. */
async function watched(
  id: string,
  files: readonly string[],
  limitMs: number,
  { table, watches, gone }: Around,
  probe: (isLast: boolean) => Promise<JobAnswer | null>,
): Promise<JobAnswer> {
  const deadline = Date.now() + limitMs
  const watch = watches.open(join(table.root(), id))
  try {
    for (;;) {
      const leftMs = gone.aborted ? 0 : deadline - Date.now()
      const answer = await probe(leftMs <= 0)
      if (answer !== null) return answer
      await watch.next(files, Math.max(0, leftMs), gone)
    }
  } finally {
    watch.close()
  }
}

async function cancel({ signal }: On<'cancel'>, job: Job, table: JobTable): Promise<JobAnswer> {
  const name = (signal ?? 'TERM').toUpperCase().replace(/^SIG/, '')
  if (name !== 'TERM' && name !== 'KILL') {
    return { status: 'bad_request', error_msg: 'signal: is neither TERM nor KILL' }
  }
  if (job.info.state === 'lost') return { status: 'ok', signalled: cancelOrphan(job, `SIG${name}`) }
  if (job.info.done) return { status: 'ok', signalled: false }
  const folder = join(table.root(), job.spool.id)
  let isLoud = false
  try {
    await replaceFile(folder, 'cancel', `${name}\n`)
  } catch {
    // No room for the file: the supervisor ends the job on TERM, too.
    isLoud = true
  }
  // Read after the file was left: a supervisor that shows itself later than this looks for the file by itself.
  const supervisor = (await readSpool(table.root(), job.spool.id))?.supervisor
  const isTold = supervisor && isAlive(supervisor.self) ? ringBell(supervisor.self.pid, isLoud) : true
  return { status: 'ok', signalled: isTold }
}

/** Ends a command whose supervisor is gone, if it is beyond doubt that very command. */
function cancelOrphan({ spool }: Job, signal: NodeJS.Signals): boolean {
  const command = spool.supervisor?.command
  if (command == null || !isAlive(command)) return false
  void endTree({ pid: command.pid, hasEnded: () => !isAlive(command) }, signal)
  return true
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))
