/** Commands through the system's own ssh client, over one kept connection, ended where they run. */
import type { ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { collectOutput, type Output } from './output.ts'
import { unquotable } from './quote.ts'
import { type Master, openMaster, readLog, type SshSettings, startSsh } from './ssh-master.ts'
import { type SshProblem, sshProblem } from './ssh-problem.ts'
import { type Report, type Scanner, scanner } from './ssh-report.ts'
import { BOOTSTRAP, type Job, remoteInput } from './ssh-script.ts'
import type { Command, Connected, ExecOptions, ExecResult, Transport, TransportOptions } from './transport.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** sshd takes ten sessions for a connection, and the master has one. */
const MOST_SESSIONS = 8
/** What stays behind the report: output that is under way, or is held open by what the command left behind. */
const LINGER_MS = 1000
/** TERM, two seconds, KILL and a slow machine. */
const END_GRACE_MS = 20_000
const RETRY_PAUSES_MS = [100, 300, 900, 2700, 6000]
const LONGEST_TIMER_MS = 2 ** 31 - 1

export async function connectSsh(destination: string, options: TransportOptions): Promise<Connected> {
  if (!/^[^\s\p{C}-][^\s\p{C}]*$/u.test(destination))
    return {
      ok: false,
      problem: 'bad-target',
      reason: `${JSON.stringify(destination)} is no ssh destination`,
      hint: 'write ssh:host, ssh:user@host or ssh:ssh://user@host:port',
    }
  const settings = {
    destination,
    env: options.env,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  }
  const opened = await openMaster(settings, options.signal)
  if (!opened.ok) return refusedConnection(opened)
  return { ok: true, transport: sshTransport(settings, opened.master) }
}

function refusedConnection(problem: SshProblem): Connected {
  if (problem.problem === 'auth-failed') return { ok: false, problem: 'auth-failed' }
  if (problem.problem === 'busy')
    return { ok: false, problem: 'unreachable', reason: 'the host takes no more sessions' }
  return { ok: false, ...problem }
}

function sshTransport(settings: SshSettings, first: Master): Transport {
  let master = first
  let opening: Promise<SshProblem | null> | null = null
  let closed = false
  const turns = turnstile(MOST_SESSIONS)

  /** Null once there is a connection. */
  const connection = async (): Promise<SshProblem | null> => {
    if (closed) return { problem: 'unreachable', reason: 'the transport was closed' }
    if (master.isOpen()) return null
    opening ??= (async () => {
      await master.close()
      const opened = await openMaster(settings)
      opening = null
      if (!opened.ok) return opened
      master = opened.master
      if (closed) await master.close()
      return null
    })()
    return opening
  }

  const exec = async (command: Command, options: ExecOptions): Promise<ExecResult> => {
    const problem = unquotable(command)
    if (problem !== null) return { kind: 'not-started', why: 'other', detail: problem }
    const output = collectOutput(options)
    if (!(await turns.enter(options.signal))) return { kind: 'cancelled', ...output.kept(0) }
    try {
      return await persist(command, options, output)
    } finally {
      turns.leave()
    }
  }

  /** Tries again what certainly did not run, and follows a durable command again when the link was lost. */
  const persist = async (command: Command, options: ExecOptions, output: Output): Promise<ExecResult> => {
    const job = options.durable ? jobOf(options.key, command) : null
    for (let tries = 0; ; tries++) {
      if (options.signal?.aborted && tries === 0) return { kind: 'cancelled', ...output.kept(0) }
      const missing = await connection()
      const end: Ended = missing
        ? { never: missing }
        : await session(settings, master, job, command, options, output)
      const isFinal =
        'result' in end
          ? end.result.kind !== 'lost' || job === null
          : tries === 0 && missing !== null && job === null
      const pause = RETRY_PAUSES_MS[tries]
      if (isFinal || pause === undefined) return 'result' in end ? end.result : unreachable(end.never)
      await sleep(pause)
    }
  }

  return {
    name: `ssh:${settings.destination}`,
    platform: 'posix',
    // Only durable commands are kept under their key.
    startsOnce: false,
    exec,
    close: async () => {
      closed = true
      await opening
      await master.close()
    },
  }
}

function jobOf(key: string | undefined, { argv, cwd, env }: Command): Job {
  const hash = (value: unknown) =>
    createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32)
  return {
    name: hash(key ?? randomBytes(16).toString('hex')),
    digest: hash([argv, cwd, Object.entries(env ?? {}).sort()]),
  }
}

function unreachable(problem: SshProblem): ExecResult {
  switch (problem.problem) {
    case 'auth-failed':
      return { kind: 'auth-failed' }
    case 'busy':
      return {
        kind: 'not-started',
        why: 'busy',
        detail: 'the host takes no more sessions on this connection',
      }
    case 'unreachable':
      return { kind: 'unreachable', reason: problem.reason, hint: problem.hint }
  }
}

/** `never`: no session came about, so that nothing ran. */
type Ended = { result: ExecResult } | { never: SshProblem }

async function session(
  settings: SshSettings,
  master: Master,
  job: Job | null,
  command: Command,
  options: ExecOptions,
  output: Output,
): Promise<Ended> {
  const nonce = randomBytes(16).toString('hex')
  const timeoutMs = Math.max(1, Math.min(Math.ceil(options.timeoutMs), LONGEST_TIMER_MS - END_GRACE_MS))
  const log = master.logFile()
  const began = performance.now()
  const child = startSsh([...master.sessionArgs(log), BOOTSTRAP], settings.env)
  const scanners = { stdout: scanner(nonce, false), stderr: scanner(nonce, true) }
  const offsets = [output.seen('stdout'), output.seen('stderr')] as const
  child.stdin!.on('error', () => {})
  child.stdin!.write(remoteInput({ nonce, command, timeoutMs, job, offsets }))
  const gaveUp = await endOf(child, scanners, timeoutMs, options.signal, output)
  const words = readLog(log)
  rmSync(log, { force: true })
  const durationMs = Math.round(performance.now() - began)
  const { report, begun } = scanners.stderr
  if (report !== null) return { result: resultOf(report, command, output, durationMs) }
  if (!begun && !gaveUp && master.isOpen() && neverConnected(words)) return { never: sshProblem(words) }
  if (!begun && !gaveUp && /ProxyCommand|UNKNOWN port|Session open refused/.test(words))
    return { never: sshProblem(words) }
  return { result: { kind: 'lost', reason: gaveUp ?? 'the connection ended before the command did' } }
}

/** The master said no, or was not there, and `ProxyCommand=false` kept the client from going its own way. */
const neverConnected = (words: string) =>
  /Session open refused|UNKNOWN port|Control socket connect/.test(words)

/** Null when the client ended by itself or after the report; otherwise why nobody waits for it any more. */
function endOf(
  child: ChildProcess,
  scanners: { stdout: Scanner; stderr: Scanner },
  timeoutMs: number,
  signal: AbortSignal | undefined,
  output: Output,
): Promise<string | null> {
  return new Promise((resolve, reject) => {
    let lingering: NodeJS.Timeout | undefined
    let givingUp: string | null = null
    const giveUp = (reason: string) => {
      givingUp = reason
      child.kill('SIGKILL')
    }
    let overdue = setTimeout(
      () => giveUp('the host did not tell the end within the limit'),
      timeoutMs + END_GRACE_MS,
    )
    const abort = () => {
      child.stdin!.write('cancel\n')
      clearTimeout(overdue)
      overdue = setTimeout(
        () => giveUp('cancelled, but the host did not say that the command has ended'),
        END_GRACE_MS,
      )
    }
    const done = () => {
      clearTimeout(overdue)
      clearTimeout(lingering)
      signal?.removeEventListener('abort', abort)
    }
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]!.on('data', (chunk: Buffer) => {
        try {
          for (const part of scanners[stream].push(chunk)) output.take(stream, part)
        } catch (error) {
          done()
          child.kill('SIGKILL')
          reject(error)
          return
        }
        if (scanners.stderr.report === null) return
        // Whoever still writes has a second from his last byte on, within reason.
        lingering ??= setTimeout(() => child.kill('SIGKILL'), LINGER_MS)
      })
    }
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) abort()
    child.once('error', error => {
      done()
      resolve(`the ssh client cannot be started: ${error.message}`)
    })
    child.once('close', () => {
      done()
      const rest = scanners.stderr.rest()
      if (rest.length > 0) output.take('stderr', rest)
      resolve(givingUp)
    })
  })
}

function resultOf(report: Report, command: Command, output: Output, durationMs: number): ExecResult {
  const kept = output.kept(durationMs)
  switch (report.what) {
    case 'exit':
      return { kind: 'exited', code: report.code, signal: null, ...kept }
    case 'timeout':
    case 'cancelled':
      return { kind: report.what, ...kept }
    case 'gone':
      return { kind: 'lost', reason: 'what looked after the command on the host is gone' }
    case 'not-started':
      return notStarted(report.why, command)
  }
}

function notStarted(why: Extract<Report, { what: 'not-started' }>['why'], command: Command): ExecResult {
  switch (why) {
    case 'bad-cwd':
      return {
        kind: 'not-started',
        why,
        detail: `${command.cwd} is no folder on the host that this user may enter`,
      }
    case 'other-key':
      return { kind: 'not-started', why: 'other', detail: 'the key was used for another command' }
    case 'not-found':
    case 'not-executable':
      return { kind: 'not-started', why, detail: String(command.argv[0]) }
  }
}

/** At most `most` at once; the others wait, in order. */
function turnstile(most: number) {
  let inside = 0
  const waiting: (() => void)[] = []
  return {
    /** False when the signal was aborted while waiting. */
    async enter(signal: AbortSignal | undefined): Promise<boolean> {
      if (signal?.aborted) return false
      if (inside < most) {
        inside++
        return true
      }
      return new Promise(resolve => {
        const abort = () => {
          waiting.splice(waiting.indexOf(go), 1)
          resolve(false)
        }
        const go = () => {
          signal?.removeEventListener('abort', abort)
          resolve(true)
        }
        signal?.addEventListener('abort', abort, { once: true })
        waiting.push(go)
      })
    },
    leave(): void {
      const next = waiting.shift()
      if (next) next()
      else inside--
    },
  }
}
