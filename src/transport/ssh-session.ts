/** One command as one session on the kept connection, from its start to the report of its end. */
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import type { OutputCollector } from './collect-output.ts'
import { type Master, readLog, type SshSettings, startSsh } from './ssh-master.ts'
import { type SshProblem, sshProblem } from './ssh-problem.ts'
import { type Scanner, type SessionReport, scanner } from './ssh-report.ts'
import { BOOTSTRAP, remoteInput, type SshJob } from './ssh-script.ts'
import type { Command, ExecOptions, ExecResult } from './transport.ts'

/** What stays behind the report: output that is under way, or is held open by what the command left behind. */
const LINGER_MS = 1000
/** TERM, two seconds, KILL and a slow machine. */
const END_GRACE_MS = 20_000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** `never`: no session came about, so that nothing ran. */
export type SessionEnd = { result: ExecResult } | { never: SshProblem }

/** Under which it is found again. */
export type Names = { job: SshJob | null; mark: string | null }

export async function session(
  settings: SshSettings,
  master: Master,
  { job, mark }: Names,
  command: Command,
  options: ExecOptions,
  output: OutputCollector,
): Promise<SessionEnd> {
  const nonce = randomBytes(16).toString('hex')
  const timeoutMs = Math.max(1, Math.min(Math.ceil(options.timeoutMs), LONGEST_TIMER_MS - END_GRACE_MS))
  const log = master.logFile()
  const began = performance.now()
  const child = startSsh([...master.sessionArgs(log), BOOTSTRAP], settings.env)
  const scanners = { stdout: scanner(nonce, false), stderr: scanner(nonce, true) }
  const offsets = [output.seen('stdout'), output.seen('stderr')] as const
  child.stdin!.on('error', () => {})
  child.stdin!.write(remoteInput({ nonce, command, timeoutMs, job, mark, offsets }))
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
  output: OutputCollector,
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

function resultOf(
  report: SessionReport,
  command: Command,
  output: OutputCollector,
  durationMs: number,
): ExecResult {
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

function notStarted(
  why: Extract<SessionReport, { what: 'not-started' }>['why'],
  command: Command,
): ExecResult {
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
