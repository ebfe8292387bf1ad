/** Runs one process, alone in its own session, to its very end. */
import type { ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { OutputReader, type OutputSink } from './output.ts'
import { type NotStarted, type ProcessSpec, startAlone } from './start.ts'
import { endTree } from './tree.ts'

type Sinks = { stdout: OutputSink; stderr: OutputSink }

export type ProcessEnd =
  /** `code` is 0..255, 128+N when signal N ended it. */
  | { how: 'exited'; code: number; signal: NodeJS.Signals | null; durationMs: number }
  /** `code` where it handled the signal and exited by itself. */
  | { how: 'timeout' | 'cancelled'; code: number | null; signal: NodeJS.Signals | null; durationMs: number }
  /** A sink failed; the process was ended. */
  | { how: 'output-failed'; stream: keyof Sinks; error: Error; durationMs: number }
  | NotStarted

export type Running = {
  ended: Promise<ProcessEnd>
  /** Ends the process and all of its descendants: the signal now, KILL to what is left 2 s later. */
  terminate: (signal?: NodeJS.Signals) => void
}

/** A process in an uninterruptible wait does not even die of KILL; nobody waits for it longer than this. */
const GIVE_UP_MS = 3000
const LONGEST_TIMER_MS = 2 ** 31 - 1

/** Never rejects: every way to end is data. An aborted `signal` terminates the process. The chunks are the sinks'. */
export async function runProcess(spec: ProcessSpec, sinks: Sinks, signal?: AbortSignal): Promise<ProcessEnd> {
  const running = startProcess(spec, {
    stdout: chunk => sinks.stdout(Buffer.from(chunk)),
    stderr: chunk => sinks.stderr(Buffer.from(chunk)),
  })
  const onAbort = () => running.terminate()
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const ended = await running.ended
  signal?.removeEventListener('abort', onAbort)
  return ended
}

/**
 * The chunks are lent, because most of them are only counted or written on: they are written over as soon as the sink
 * has returned, or the promise that it answered is settled.
 */
export function startProcess(spec: ProcessSpec, sinks: Sinks): Running {
  const stop = new Stop()
  return {
    ended: run(spec, sinks, stop),
    terminate: (signal = 'SIGTERM') => stop.request('cancelled', signal),
  }
}

async function run(spec: ProcessSpec, sinks: Sinks, stop: Stop): Promise<ProcessEnd> {
  const began = process.hrtime()
  const elapsed = () => {
    const [seconds, nanoseconds] = process.hrtime(began)
    return Math.round(seconds * 1e3 + nanoseconds / 1e6)
  }
  const started = await startAlone(spec, () => stop.reason !== null)
  if (started === 'unwanted') return { how: 'cancelled', code: null, signal: null, durationMs: elapsed() }
  if ('how' in started) return started
  const { child, pid } = started
  spec.onStart?.(pid, started.identify())

  const outputs = { stdout: new OutputReader(started.stdout), stderr: new OutputReader(started.stderr) }
  let broken: { stream: keyof Sinks; error: Error } | null = null
  for (const stream of ['stdout', 'stderr'] as const) {
    outputs[stream].readInto(sinks[stream], error => {
      broken ??= { stream, error }
      stop.request('cancelled', 'SIGTERM')
    })
  }
  const signal = await lifeOf(child, pid, spec.timeoutMs, stop)
  const { reason } = stop
  await Promise.all([outputs.stdout.finish(), outputs.stderr.finish()])

  const durationMs = elapsed()
  if (broken !== null)
    return { how: 'output-failed', ...(broken as { stream: keyof Sinks; error: Error }), durationMs }
  if (reason) return { how: reason, code: child.exitCode, signal, durationMs }
  const code = signal === null ? (child.exitCode ?? 0) : 128 + constants.signals[signal]
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
