/** Running commands, and the keyed ones for a while after their end: slots, keys, cancellation, shutdown. */
import { type Ended, type Running, startProcess } from '../../process/process.ts'
import { type ProcessSpec, startFailureCode } from '../../process/start.ts'
import { Output, type OutputOptions } from './output.ts'
import { type OutputFiles, openOutputFiles } from './output-file.ts'

const KEEP_KEYED_MS = 600_000
const MOST_KEYED = 1024
/** Of the ended ones together; beyond that the oldest keep their end and lose their output. */
const MOST_KEPT_BYTES = 64 * 1024 * 1024
const SWEEP_MS = 60_000
const SHUTDOWN_PATIENCE_MS = 2000

export type RunOptions = {
  readonly process: ProcessSpec
  readonly owner: string
  readonly key: string | undefined
  /** Equal for equal commands; only keyed ones have one. */
  readonly identity: string | null
  readonly keepFirst: Readonly<Record<'stdout' | 'stderr', number>>
  readonly keepLast: number
  /** Where output files are wanted: their folder, and the id that their names are made of. */
  readonly files: { readonly folder: string; readonly id: string } | null
}

export type RunEnd = Ended | { how: 'no-output-file'; error: unknown }

export type Run = {
  readonly options: RunOptions
  /** The requests that wait for it. */
  readonly ids: Set<string>
  readonly output: Readonly<Record<'stdout' | 'stderr', Output>>
  files: OutputFiles | null
  readonly ended: Promise<RunEnd>
  endedAt: number | null
  stopReason: 'cancelled' | 'shutdown' | null
  /** Clients that are there, and whether one of them wanted it to go on without any. */
  audience: number
  outlivesAudience: boolean
  terminate(reason: 'cancelled' | 'shutdown', signal?: NodeJS.Signals): void
}

export type Runs = {
  /** Commands that hold a slot. */
  readonly active: number
  start(options: RunOptions): Run
  byKey(owner: string, key: string): Run | undefined
  /** Running ones of this owner that somebody awaits under this id. */
  byId(owner: string, id: string): Run[]
  /** Gives running commands 2 s, then ends them; resolves when none is left. */
  shutdown(): Promise<void>
}

export function createRuns(now: () => number = Date.now): Runs {
  const running = new Set<Run>()
  const keyed = new Map<string, Run>()
  const sweep = setInterval(() => forgetOld(keyed, now()), SWEEP_MS)
  sweep.unref()

  const start = (options: RunOptions): Run => {
    const run = begin(options)
    running.add(run)
    if (options.key !== undefined) {
      forgetOld(keyed, now())
      keyed.set(slot(options.owner, options.key), run)
    }
    const release = () => {
      running.delete(run)
      run.endedAt = now()
      forgetOutput(keyed)
    }
    // Also after a fault that nobody foresaw: the slot is everybody's.
    void run.ended.then(release, release)
    return run
  }

  return {
    get active() {
      return running.size
    },
    start,
    byKey: (owner, key) => {
      forgetOld(keyed, now())
      return keyed.get(slot(owner, key))
    },
    byId: (owner, id) => [...running].filter(run => run.options.owner === owner && run.ids.has(id)),
    shutdown: async () => {
      clearInterval(sweep)
      const all = Promise.allSettled([...running].map(run => run.ended))
      const timer = setTimeout(() => {
        for (const run of running) run.terminate('shutdown')
      }, SHUTDOWN_PATIENCE_MS)
      await all
      clearTimeout(timer)
    },
  }
}

const slot = (owner: string, key: string) => `${owner}\0${key}`

function begin(options: RunOptions): Run {
  const opened: { files: OutputFiles | null } = { files: null }
  const output = (stream: 'stdout' | 'stderr') => {
    const kept: OutputOptions = { keepFirst: options.keepFirst[stream], keepLast: options.keepLast }
    return new Output(options.files ? { ...kept, file: chunk => opened.files?.[stream].sink(chunk) } : kept)
  }
  let process: Running | null = null
  let early: NodeJS.Signals | null = null
  const live = async (): Promise<RunEnd> => {
    try {
      if (options.files) opened.files = await openOutputFiles(options.files.folder, options.files.id)
    } catch (error) {
      return { how: 'no-output-file', error }
    }
    run.files = opened.files
    process = startProcess(options.process, {
      stdout: run.output.stdout.take,
      stderr: run.output.stderr.take,
    })
    if (early) process.terminate(early)
    const ended = await process.ended
    if (ended.how === 'not-started' && ended.what === 'program') {
      // What a shell would have said there.
      const words = startFailureCode(ended.errno) === 127 ? 'not found' : 'cannot be executed'
      await run.output.stderr.take(Buffer.from(`${options.process.argv[0]}: ${words}\n`))
    }
    await Promise.allSettled([opened.files?.stdout.close(), opened.files?.stderr.close()])
    return ended
  }
  const run: Run = {
    options,
    ids: new Set(),
    output: { stdout: output('stdout'), stderr: output('stderr') },
    files: null,
    ended: Promise.resolve().then(live),
    endedAt: null,
    stopReason: null,
    audience: 0,
    outlivesAudience: false,
    terminate: (reason, signal = 'SIGTERM') => {
      if (run.endedAt !== null) return
      run.stopReason ??= reason
      if (process) process.terminate(signal)
      else early = signal
    },
  }
  return run
}

function forgetOld(keyed: Map<string, Run>, now: number): void {
  // Maps keep the order of insertion, so that the oldest come first.
  for (const [name, run] of keyed) {
    const isOld = run.endedAt !== null && now - run.endedAt > KEEP_KEYED_MS
    if (isOld || (keyed.size > MOST_KEYED && run.endedAt !== null)) keyed.delete(name)
  }
}

function forgetOutput(keyed: Map<string, Run>): void {
  const ended = [...keyed.values()].filter(run => run.endedAt !== null)
  let bytes = 0
  for (const { output } of ended.reverse()) {
    bytes += output.stdout.keptBytes + output.stderr.keptBytes
    if (bytes <= MOST_KEPT_BYTES) continue
    output.stdout.forget()
    output.stderr.forget()
  }
}
