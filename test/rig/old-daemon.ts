/**
 * The existing C daemon as a client sees it: one request per connection, compact JSON in its exact order, none of our
 * additions, jobs that are polled. It really runs commands. Switches make it misbehave.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeFrame, FrameReader } from '../../src/hostlink/frame.ts'

export type Misbehaviour =
  | 'no-answer'
  | 'hang'
  | 'garbage'
  | 'bad-json'
  | 'not-an-object'
  | 'wrong-id'
  | 'no-id'
  | 'wrong-types'
  | 'half-frame'
  | 'oversized'
  | 'busy'
  | 'unknown-fields'
  | 'spaced-json'

export type OldDaemonOptions = {
  token?: string
  node?: string
  tcp?: boolean
  misbehave?: Misbehaviour
  maxTimeoutMs?: number
  defaultTimeoutMs?: number
  defaultMaxOutput?: number
  /** Slow to answer, but right. */
  delayMs?: number
}

export type OldDaemon = {
  socket: string
  port: number
  token: string
  dir: string
  /** Every request as it was received, for tests that look at the wire. */
  requests: Record<string, unknown>[]
  stop(): Promise<void>
}

type Json = Record<string, unknown>
type Context = Required<Pick<OldDaemonOptions, 'node' | 'token'>> &
  OldDaemonOptions & { dir: string; jobs: Map<string, Job>; children: Set<ChildProcess>; startedAt: number }

export async function startOldDaemon(options: OldDaemonOptions = {}): Promise<OldDaemon> {
  const dir = await mkdtemp(join(tmpdir(), 'old-hostlinkd-'))
  const context: Context = {
    node: 'oldhost',
    token: 'old-token-0123456789',
    ...options,
    dir,
    jobs: new Map(),
    children: new Set(),
    startedAt: Date.now(),
  }
  const requests: Json[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    serve(socket, context, requests)
  })
  const socket = join(dir, 'hostlink.sock')
  await new Promise<void>(resolve =>
    options.tcp ? server.listen(0, '127.0.0.1', resolve) : server.listen(socket, resolve),
  )
  return {
    socket,
    port: portOf(server),
    token: context.token,
    dir,
    requests,
    stop: async () => {
      for (const child of context.children) killGroup(child, 'SIGKILL')
      for (const open of sockets) open.destroy()
      await new Promise(resolve => server.close(resolve))
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function serve(socket: Socket, context: Context, requests: Json[]): void {
  const reader = new FrameReader()
  socket.on('data', chunk => {
    try {
      for (const payload of reader.push(chunk)) {
        // One request only: whatever comes behind it is never read.
        socket.removeAllListeners('data')
        handle(payload, context, requests).then(answer => reply(socket, answer, context))
        return
      }
    } catch {
      socket.destroy()
    }
  })
}

async function handle(payload: Buffer, context: Context, requests: Json[]): Promise<Json> {
  const refuse = (status: string, id: string, error_msg: string) => ({
    version: 1,
    id,
    node: context.node,
    status,
    error_msg,
  })
  let request: Json
  try {
    request = JSON.parse(payload.toString('utf8'))
  } catch {
    return refuse('bad_request', '', 'invalid JSON')
  }
  requests.push(request)
  if (request['token'] !== context.token) return refuse('auth_failed', '', 'authentication failed')
  const id = typeof request['id'] === 'string' ? request['id'] : ''
  const envelope = { version: 1, id, node: context.node, status: 'ok' }
  if (context.delayMs) await new Promise(resolve => setTimeout(resolve, context.delayMs))
  if (context.misbehave === 'busy' && request['type'] === 'exec')
    return refuse('error', id, 'server busy, max concurrent commands reached')
  switch (request['type']) {
    case 'ping':
      return { ...envelope, uptime_s: Math.floor((Date.now() - context.startedAt) / 1000) }
    case 'exec':
      return request['detach'] === true
        ? detach(request, envelope, context)
        : exec(request, envelope, context)
    case 'job':
      return job(request, envelope, context)
    default:
      return refuse('bad_request', '', 'unknown message type')
  }
}

function reply(socket: Socket, answer: Json, { misbehave }: Context): void {
  const whole = JSON.stringify(answer)
  switch (misbehave) {
    case 'no-answer':
      return void socket.end()
    case 'hang':
      return
    case 'garbage':
      return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    case 'bad-json':
      return void socket.end(encodeFrame('{"version":1,"status":'))
    case 'not-an-object':
      return void socket.end(encodeFrame('[1,2,3]'))
    case 'wrong-id':
      return void socket.end(encodeFrame(JSON.stringify({ ...answer, id: 'somebody-else' })))
    case 'no-id':
      return void socket.end(encodeFrame(JSON.stringify({ ...answer, id: undefined })))
    case 'wrong-types':
      return void socket.end(encodeFrame(JSON.stringify({ ...answer, exit_code: 'zero', uptime_s: 'long' })))
    case 'half-frame':
      return void socket.end(encodeFrame(whole).subarray(0, -5))
    case 'oversized':
      return void socket.write(Buffer.from('484c4e4b08000001', 'hex'))
    case 'unknown-fields':
      return void socket.end(
        encodeFrame(JSON.stringify({ ...answer, grease: { deep: [null, 1] }, zzz: null })),
      )
    case 'spaced-json':
      return void socket.end(encodeFrame(JSON.stringify(answer, null, 2)))
    default:
      return void socket.end(encodeFrame(whole))
  }
}

type Run = {
  code: number
  timedOut: boolean
  stdout: Buffer
  stderr: Buffer
  durationMs: number
}

function launch(request: Json, context: Context): ChildProcess {
  const env = { ...process.env, ...((request['env'] as Record<string, string> | undefined) ?? {}) }
  const stub = '_c=$HOSTLINK_COMMAND; unset HOSTLINK_COMMAND; eval "$_c"'
  const child = spawn('/bin/sh', ['-c', stub], {
    env: { ...env, HOSTLINK_COMMAND: String(request['command']) },
    cwd: typeof request['workdir'] === 'string' ? request['workdir'] : undefined,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  context.children.add(child)
  child.on('close', () => context.children.delete(child))
  return child
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal)
  } catch {
    // It has ended.
  }
}

function run(request: Json, context: Context, timeoutMs: number): Promise<Run | Error> {
  return new Promise(resolve => {
    const started = Date.now()
    let child: ChildProcess
    try {
      child = launch(request, context)
    } catch (error) {
      // A workdir that is a file fails at once, one that is missing by an event.
      return resolve(error as Error)
    }
    const out: Buffer[] = []
    const err: Buffer[] = []
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      killGroup(child, 'SIGTERM')
      setTimeout(() => killGroup(child, 'SIGKILL'), 2000).unref()
    }, timeoutMs)
    child.stdout!.on('data', data => out.push(data))
    child.stderr!.on('data', data => err.push(data))
    child.on('error', resolve)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({
        code: code ?? 128 + (SIGNALS[signal ?? ''] ?? 0),
        timedOut,
        stdout: Buffer.concat(out),
        stderr: Buffer.concat(err),
        durationMs: Date.now() - started,
      })
    })
  })
}

const SIGNALS: Record<string, number> = constants.signals

async function exec(request: Json, envelope: Json, context: Context): Promise<Json> {
  if (typeof request['command'] !== 'string' || request['command'] === '')
    return { ...envelope, status: 'bad_request', error_msg: "missing or invalid 'command'" }
  const asked = Number(request['timeout_ms'] ?? 0)
  const limit = context.maxTimeoutMs ?? 300_000
  const wanted = asked > 0 ? asked : Math.min(limit, context.defaultTimeoutMs ?? 30_000)
  const done = await run(request, context, Math.min(wanted, limit))
  if (done instanceof Error) {
    const reason = 'workdir not accessible: No such file or directory'
    return { ...envelope, status: 'error', error_msg: reason, exit_code: -1 }
  }
  const outputs =
    request['output_to_file'] === true
      ? await toFiles(done, envelope, context)
      : texts(done, request, context)
  const clamp = wanted > limit ? { timeout_requested_ms: wanted, timeout_effective_ms: limit } : {}
  return {
    ...envelope,
    status: done.timedOut ? 'timeout' : 'ok',
    exit_code: done.timedOut ? -2 : done.code,
    ...outputs,
    stdout_original_bytes: done.stdout.length,
    stderr_original_bytes: done.stderr.length,
    duration_ms: done.durationMs,
    ...clamp,
  }
}

function texts(done: Run, request: Json, context: Context): Json {
  const most = (field: string) => Number(request[field] ?? 0) || (context.defaultMaxOutput ?? 4_194_304)
  const [out, err] = [most('max_stdout_bytes'), most('max_stderr_bytes')]
  return {
    stdout: done.stdout.subarray(0, out).toString('utf8'),
    stderr: done.stderr.subarray(0, err).toString('utf8'),
    stdout_truncated: done.stdout.length > out,
    stderr_truncated: done.stderr.length > err,
  }
}

async function toFiles(done: Run, envelope: Json, { dir }: Context): Promise<Json> {
  const name = (stream: string) => join(dir, `hl_${envelope['id']}_${stream}`)
  await writeFile(name('stdout'), done.stdout, { mode: 0o600 })
  await writeFile(name('stderr'), done.stderr, { mode: 0o600 })
  return {
    stdout_file: name('stdout'),
    stderr_file: name('stderr'),
    stdout_truncated: false,
    stderr_truncated: false,
  }
}

type Job = {
  info: Json
  child: ChildProcess
  out: { stdout: Buffer; stderr: Buffer }
}

function detach(request: Json, envelope: Json, context: Context): Json {
  const id = [...Array(12)].map(() => '0123456789abcdef'[Math.floor(Math.random() * 16)]).join('')
  const child = launch(request, context)
  const started = Date.now()
  const info: Json = {
    job_id: id,
    state: 'running',
    done: false,
    command: request['command'],
    created_at: Math.floor(started / 1000),
    ended_at: 0,
    exit_code: -1,
    duration_ms: 0,
    stdout_bytes: 0,
    stderr_bytes: 0,
    stdout_original_bytes: 0,
    stderr_original_bytes: 0,
    stdout_truncated: false,
    stderr_truncated: false,
    timeout_ms: Number(request['job_timeout_ms'] ?? 86_400_000),
    pid: child.pid,
  }
  const job: Job = { info, child, out: { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) } }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]!.on('data', data => {
      job.out[stream] = Buffer.concat([job.out[stream], data])
      info[`${stream}_bytes`] = info[`${stream}_original_bytes`] = job.out[stream].length
    })
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    killGroup(child, 'SIGTERM')
    setTimeout(() => killGroup(child, 'SIGKILL'), 2000).unref()
  }, Number(info['timeout_ms'])).unref()
  child.on('close', (code, signal) => {
    clearTimeout(timer)
    const exit_code = timedOut ? -2 : (code ?? 128 + (SIGNALS[signal ?? ''] ?? 0))
    const ended_at = Math.floor(Date.now() / 1000)
    Object.assign(info, {
      state: timedOut ? 'timeout' : 'exited',
      done: true,
      exit_code,
      ended_at,
      duration_ms: Date.now() - started,
    })
  })
  context.jobs.set(id, job)
  return { ...envelope, exit_code: 0, detached: true, job_id: id, duration_ms: 0 }
}

function job(request: Json, envelope: Json, context: Context): Json {
  if (request['action'] === 'list')
    return { ...envelope, jobs: [...context.jobs.values()].map(found => found.info) }
  const found = context.jobs.get(String(request['job_id']))
  if (!found) return { ...envelope, status: 'not_found', error_msg: 'no such job' }
  if (request['action'] === 'status') return { ...envelope, ...found.info }
  if (request['action'] === 'cancel') {
    killGroup(found.child, request['signal'] === 'KILL' ? 'SIGKILL' : 'SIGTERM')
    return {
      ...envelope,
      job_id: request['job_id'],
      signalled: !found.info['done'],
      state: found.info['state'],
    }
  }
  if (request['action'] === 'tail') return tail(request, envelope, found)
  return { ...envelope, status: 'bad_request', error_msg: 'unknown job action' }
}

function tail(request: Json, envelope: Json, found: Job): Json {
  const offset = Number(request['offset'] ?? 0)
  const bytes = found.out[request['stream'] === 'stderr' ? 'stderr' : 'stdout']
  const chunk = bytes.subarray(offset, offset + Math.min(Number(request['max_bytes'] ?? 65_536), 4_194_304))
  const cut = chunk.indexOf(0)
  // Its strings are C strings: they end at the first NUL, and `binary` says so.
  const data = (cut < 0 ? chunk : chunk.subarray(0, cut)).toString('utf8')
  return { ...envelope, data, offset, next_offset: offset + chunk.length, binary: cut >= 0, ...found.info }
}
