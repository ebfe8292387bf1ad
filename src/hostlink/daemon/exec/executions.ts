/** Running commands, and the keyed ones for a while after their end: slots, keys, cancellation, shutdown. */
import { type ProcessEnd, type Running, startProcess } from '../../../process/process.ts'
import { type ProcessSpec, startFailureCode } from '../../../process/start.ts'
import { Output, type OutputOptions } from './output.ts'
import { type OutputFiles, openOutputFiles } from './output-file.ts'
import { createRecentExecutions } from './recent-executions.ts'

const SWEEP_MS = 60_000
const SHUTDOWN_PATIENCE_MS = 2000

export type ExecutionOptions = {
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

export type ExecutionEnd = ProcessEnd | { how: 'no-output-file'; error: unknown }

export type Execution = {
  readonly options: ExecutionOptions
  /** The requests that wait for it. */
  readonly ids: Set<string>
  readonly output: Readonly<Record<'stdout' | 'stderr', Output>>
  files: OutputFiles | null
  readonly ended: Promise<ExecutionEnd>
  endedAt: number | null
  stopReason: 'cancelled' | 'shutdown' | null
  /** Clients that are there, and whether one of them wanted it to go on without any. */
  audience: number
  outlivesAudience: boolean
  terminate(reason: 'cancelled' | 'shutdown', signal?: NodeJS.Signals): void
}

export type Executions = {
  /** Commands that hold a slot. */
  readonly active: number
  start(options: ExecutionOptions): Execution
  byKey(owner: string, key: string): Execution | undefined
  /** Running ones of this owner that somebody awaits under this id. */
  byId(owner: string, id: string): Execution[]
  /** Gives running commands 2 s, then ends them; resolves when none is left. */
  shutdown(): Promise<void>
}

export function createExecutions(now: () => number = Date.now): Executions {
  const running = new Set<Execution>()
  const keyed = createRecentExecutions<Execution>(now)
  const sweep = setInterval(keyed.sweep, SWEEP_MS)
  sweep.unref()

  const start = (options: ExecutionOptions): Execution => {
    const run = begin(options)
    running.add(run)
    const name = options.key === undefined ? null : slot(options.owner, options.key)
    if (name !== null) keyed.add(name, run)
    const release = () => {
      running.delete(run)
      run.endedAt = now()
      if (name !== null) keyed.end(name, run)
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
    byKey: (owner, key) => keyed.get(slot(owner, key)),
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

function begin(options: ExecutionOptions): Execution {
  const opened: { files: OutputFiles | null } = { files: null }
  const output = (stream: 'stdout' | 'stderr') => {
    const kept: OutputOptions = { keepFirst: options.keepFirst[stream], keepLast: options.keepLast }
    return new Output(options.files ? { ...kept, file: chunk => opened.files?.[stream].sink(chunk) } : kept)
  }
  let process: Running | null = null
  let early: NodeJS.Signals | null = null
  const live = async (): Promise<ExecutionEnd> => {
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
  const run: Execution = {
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
