/** Runs one process, alone in its own session, to its very end. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, constants as fsConstants, promises } from 'node:fs'
import { constants as osConstants } from 'node:os'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { openPipes, type Pipes } from './pipe.ts'
import { endTree } from './process-tree.ts'

export type ProcessSpec = {
  /** The program (looked up in the PATH of `env`) and its arguments; no shell takes part. */
  argv: readonly string[]
  /** The file to execute where it is not to be looked up by the first word, which stays the program's name. */
  file?: string | undefined
  /** The whole environment: nothing is inherited. */
  env: Readonly<Record<string, string>>
  cwd?: string | undefined
  timeoutMs?: number | undefined
  /** Called before any output; must not throw. */
  onStart?: ((pid: number) => void) | undefined
}

/** Takes output as it comes. No more is read from that stream until a promise that it answers is settled. */
export type Sink = (chunk: Buffer) => void | Promise<void>
export type Sinks = { stdout: Sink; stderr: Sink }

export type Ended =
  /** `code` is 0..255, 128+N when signal N ended it. */
  | { how: 'exited'; code: number; signal: NodeJS.Signals | null; durationMs: number }
  /** `code` where it handled the signal and exited by itself. */
  | { how: 'timeout' | 'cancelled'; code: number | null; signal: NodeJS.Signals | null; durationMs: number }
  /** A sink failed; the process was ended. */
  | { how: 'output-failed'; stream: keyof Sinks; error: Error; durationMs: number }
  /** Nothing ran. `program`: not found or not executable; `system`: no memory, too many arguments, ... */
  | { how: 'not-started'; what: 'workdir' | 'program' | 'system'; errno: string }

export type Running = {
  ended: Promise<Ended>
  /** Ends the process and all of its descendants: the signal now, KILL to what is left 2 s later. */
  terminate: (signal?: NodeJS.Signals) => void
}

/** What a left-behind child that holds the output open may delay the end by. */
const LINGER_MS = 950
/** Time for what the kernel holds to arrive, once it is read again. */
const SETTLE_MS = 20
/** After that: what a pipe may still hold for a sink that was busy all the time. */
const LATE_BYTES = 1024 * 1024
/** A process in an uninterruptible wait does not even die of KILL; nobody waits for it longer than this. */
const GIVE_UP_MS = 3000
const CHILD_UMASK = 0o022
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Never rejects: every way to end is data. An aborted `signal` terminates the process. */
export async function runProcess(spec: ProcessSpec, sinks: Sinks, signal?: AbortSignal): Promise<Ended> {
  const running = startProcess(spec, sinks)
  const onAbort = () => running.terminate()
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const ended = await running.ended
  signal?.removeEventListener('abort', onAbort)
  return ended
}

export function startProcess(spec: ProcessSpec, sinks: Sinks): Running {
  const stop = new Stop()
  return {
    ended: run(spec, sinks, stop),
    terminate: (signal = 'SIGTERM') => stop.request('cancelled', signal),
  }
}

async function run(spec: ProcessSpec, sinks: Sinks, stop: Stop): Promise<Ended> {
  const began = process.hrtime()
  const elapsed = () => {
    const [seconds, nanoseconds] = process.hrtime(began)
    return Math.round(seconds * 1e3 + nanoseconds / 1e6)
  }
  const workdirErrno = spec.cwd === undefined ? null : await workdirFault(spec.cwd)
  if (workdirErrno !== null) return { how: 'not-started', what: 'workdir', errno: workdirErrno }
  if (stop.reason) return { how: 'cancelled', code: null, signal: null, durationMs: elapsed() }

  const pipes = await openPipes()
  const child = stop.reason ? 'ECANCELED' : spawnAlone(spec, pipes)
  if (pipes) for (const { writeFd } of [pipes.stdout, pipes.stderr]) closeSync(writeFd)
  const stdout = pipes?.stdout.reader ?? (typeof child === 'string' ? null : child.stdout)
  const stderr = pipes?.stderr.reader ?? (typeof child === 'string' ? null : child.stderr)
  if (typeof child === 'string' || child.pid === undefined || !stdout || !stderr) {
    for (const stream of [stdout, stderr]) stream?.destroy()
    if (stop.reason) return { how: 'cancelled', code: null, signal: null, durationMs: elapsed() }
    return notStarted(typeof child === 'string' ? child : await spawnFault(child))
  }
  spec.onStart?.(child.pid)

  const outputs = { stdout: new Output(stdout), stderr: new Output(stderr) }
  let broken: { stream: keyof Sinks; error: Error } | null = null
  for (const stream of ['stdout', 'stderr'] as const) {
    outputs[stream].readInto(sinks[stream], error => {
      broken ??= { stream, error }
      stop.request('cancelled', 'SIGTERM')
    })
  }
  const signal = await lifeOf(child, child.pid, spec.timeoutMs, stop)
  const { reason } = stop
  await Promise.all([outputs.stdout.finish(), outputs.stderr.finish()])

  const durationMs = elapsed()
  if (broken !== null)
    return { how: 'output-failed', ...(broken as { stream: keyof Sinks; error: Error }), durationMs }
  if (reason && broken === null) return { how: reason, code: child.exitCode, signal, durationMs }
  const code = signal === null ? (child.exitCode ?? 0) : 128 + osConstants.signals[signal]
  return { how: 'exited', code, signal, durationMs }
}

/** From the start to the end of the process and, where it had to be ended, of all that descends from it. */
function lifeOf(child: ChildProcess, pid: number, timeoutMs: number | undefined, stop: Stop) {
  return new Promise<NodeJS.Signals | null>(resolve => {
    let hasEnded = false
    let ending: Promise<void> | null = null
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => stop.request('timeout', 'SIGTERM'), Math.min(timeoutMs, LONGEST_TIMER_MS))
    const settle = () => {
      clearTimeout(timer)
      stop.onRequest(() => {})
      resolve(child.signalCode)
    }
    stop.onRequest(signal => {
      const again = endTree({ pid, hasEnded: () => hasEnded }, signal)
      if (ending) return
      ending = again
      void ending.then(() => {
        if (hasEnded) settle()
        else setTimeout(settle, GIVE_UP_MS)
      })
    })
    child.once('exit', () => {
      hasEnded = true
      if (ending === null) settle()
      else void ending.then(settle)
    })
  })
}

/** Why a process is to be ended; a reason given before it has started holds as well. The first reason counts. */
class Stop {
  reason: 'timeout' | 'cancelled' | null = null
  #act: ((signal: NodeJS.Signals) => void) | null = null
  #early: NodeJS.Signals | null = null

  request(reason: 'timeout' | 'cancelled', signal: NodeJS.Signals): void {
    this.reason ??= reason
    if (this.#act) this.#act(signal)
    else this.#early = signal
  }

  onRequest(act: (signal: NodeJS.Signals) => void): void {
    this.#act = act
    if (this.#early) act(this.#early)
    this.#early = null
  }
}

/** One output stream of the process, read no faster than its sink takes it. */
class Output {
  readonly #stream: Readable
  readonly #closed: Promise<void>
  #busy: Promise<void> | null = null
  #takenBytes = 0
  /** Bytes that may still be taken; set once the process has ended and its time is up. */
  #allowance: number | null = null

  constructor(stream: Readable) {
    this.#stream = stream
    this.#closed = new Promise(resolve => stream.once('close', () => resolve()))
    // A pipe that breaks has ended, as far as anybody here can tell.
    stream.on('error', () => {})
  }

  readInto(sink: Sink, onFault: (error: Error) => void): void {
    const take = async (before: Promise<void> | null, chunk: Buffer) => {
      await before
      await sink(chunk)
    }
    this.#stream.on('data', (chunk: Buffer) => {
      this.#takenBytes += chunk.length
      if (this.#allowance !== null) this.#allowance -= chunk.length
      // Node resumes a paused stream when its process exits, so that a chunk may come while the sink is busy.
      const taken = this.#busy ? take(this.#busy, chunk) : sink(chunk)
      if (!taken) return this.#closeWhenSpent()
      this.#stream.pause()
      const busy = taken.then(
        () => {
          if (this.#busy !== busy) return
          this.#busy = null
          this.#closeWhenSpent()
          this.#stream.resume()
        },
        error => {
          this.#busy = null
          this.#stream.destroy()
          onFault(error instanceof Error ? error : new Error(String(error)))
        },
      )
      this.#busy = busy
    })
  }

  /** Resolves once all output was taken by the sink, or what is left behind held the stream open for too long. */
  async finish(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeIsUp = new Promise<void>(resolve => {
      timer = setTimeout(resolve, LINGER_MS)
    })
    await Promise.race([this.#closed, timeIsUp])
    clearTimeout(timer)
    if (!this.#stream.closed) await this.#takeTheRest()
    while (this.#busy) await this.#busy
    this.#stream.destroy()
    await this.#closed
  }

  /** A sink that was busy all the time has not had the chance to take what the process wrote before it ended. */
  async #takeTheRest(): Promise<void> {
    this.#allowance = LATE_BYTES
    for (let before = -1; this.#busy || this.#takenBytes !== before; ) {
      before = this.#takenBytes
      await this.#busy
      await sleep(SETTLE_MS)
    }
  }

  #closeWhenSpent(): void {
    if (this.#allowance !== null && this.#allowance <= 0) this.#stream.destroy()
  }
}

/** A child, or the name of the error that kept it from starting. */
function spawnAlone(spec: ProcessSpec, pipes: Pipes | null): ChildProcess | string {
  const [argv0, ...args] = spec.argv
  const file = spec.file ?? argv0
  if (!file) return 'ENOENT'
  const umask = process.umask(CHILD_UMASK)
  try {
    return spawn(file, args, {
      argv0,
      cwd: spec.cwd,
      env: spec.env,
      // A session of its own: no terminal of ours, and a group that can be told as a whole.
      detached: true,
      stdio: ['ignore', pipes?.stdout.writeFd ?? 'pipe', pipes?.stderr.writeFd ?? 'pipe'],
    })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EINVAL'
  } finally {
    process.umask(umask)
  }
}

function spawnFault(child: ChildProcess): Promise<string> {
  return new Promise(resolve => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'EINVAL'))
  })
}

const NOT_FOUND = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']
const NOT_EXECUTABLE = ['EACCES', 'EPERM', 'ENOEXEC', 'ELOOP', 'EISDIR', 'ETXTBSY', 'ELIBBAD']

function notStarted(errno: string): Ended {
  const isProgram = NOT_FOUND.includes(errno) || NOT_EXECUTABLE.includes(errno)
  return { how: 'not-started', what: isProgram ? 'program' : 'system', errno }
}

/** What a shell would have exited with: 127 not found, 126 found but not executable. */
export const startFailureCode = (errno: string): 126 | 127 => (NOT_FOUND.includes(errno) ? 127 : 126)

/** Asked beforehand, because a failed spawn does not tell a bad folder from a bad program. */
async function workdirFault(path: string): Promise<string | null> {
  try {
    if (!(await promises.stat(path)).isDirectory()) return 'ENOTDIR'
    await promises.access(path, fsConstants.X_OK)
    return null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EINVAL'
  }
}
