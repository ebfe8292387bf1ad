/** What a step sees of the world: one transport, one deadline, one way to be stopped. */

import { Failed, type Failure } from '../failure.ts'
import type { StreamName } from '../process/stream-name.ts'
import type { CommandRequest, Done, StepContext } from '../steps/contract/step.ts'
import type { ExecResult, Transport } from '../transport/transport.ts'
import type { Emit, Movement, Phase } from './events.ts'
import { shortHash } from './hash.ts'
import { lineReader } from './line-reader.ts'
import type { Hold } from './pause-probes.ts'
import { isRead, type RecentReads, readAgain, readOnce } from './recent-reads.ts'
import type { Redactor } from './redact.ts'
import type { Clock } from './run-input.ts'

type ContextInput = {
  runId: string
  stepId: string
  /** Distinguishes the attempts and movements of one step, so that a start-once key never means two things. */
  phase: Phase
  transport: Transport
  clock: Clock
  emit: Emit
  secrets: Redactor
  timeoutMs: number
  /** Aborted with a `Failed` as its reason. */
  signal: AbortSignal
  env: Readonly<Record<string, string>>
  cwd: string | undefined
  confirmed: StepContext['confirmed']
  hold: Hold
  /** Only where the target is the runner's machine. */
  stateFolder?: string | null | undefined
  /** The movement that observations belong to, null in the step itself; absent: nothing is decided by them. */
  movement?: Movement | null | undefined
  outputsOf?: StepContext['outputsOf'] | undefined
  standing?: StepContext['standing'] | undefined
  standsLater?: StepContext['standsLater'] | undefined
  isHurried?: boolean | undefined
  touchedSince?: boolean | undefined
  evidenceKept?: Promise<unknown> | undefined
  /** Commands that change something are asked for where an earlier runner started them, and never started. */
  attachOnly?: boolean | undefined
  /** Looks of the present moment, which it shares; absent: it neither takes nor gives any. */
  looks?: RecentReads | undefined
  /** It only gives: whoever waits for something to change looks anew. */
  looksAnew?: boolean | undefined
  /** Told when a command ran, or may have run. */
  onRan?: (() => void) | undefined
}

const READ_TRIES = 3
const READ_RETRY_MS = 500

export function stepContext(input: ContextInput): StepContext {
  const { clock, signal, transport } = input
  const deadline = clock.now() + input.timeoutMs
  let commands = 0

  const remainingMs = () => Math.max(0, deadline - clock.now())

  return {
    runId: input.runId,
    stepId: input.stepId,
    tools: transport.tools ?? null,
    hasShell: transport.tools === undefined,
    stateFolder: input.stateFolder ?? null,
    signal,
    remainingMs,
    now: () => clock.now(),
    confirmed: input.confirmed,
    hold: input.hold.take,
    held: input.hold.seen,
    redact: text => input.secrets.text(text),
    say: line => input.emit({ type: 'said', id: input.stepId, phase: input.phase, line }),
    saw(observation) {
      if (input.movement !== undefined)
        input.emit({ type: 'saw', id: input.stepId, movement: input.movement, ...observation })
    },
    probed: probe => input.emit({ type: 'probe', id: input.stepId, ...probe }),
    watched(ms) {
      if (input.movement === null)
        input.emit({ type: 'observed', id: input.stepId, facts: { watchedSeconds: Math.round(ms) / 1000 } })
    },
    outputsOf: input.outputsOf ?? (() => []),
    standing: input.standing ?? new Map(),
    standsLater: input.standsLater ?? (() => false),
    isHurried: input.isHurried ?? false,
    touchedSince: input.touchedSince ?? false,
    evidenceKept: input.evidenceKept ?? Promise.resolve(),
    async sleep(ms) {
      const left = remainingMs()
      await clock.sleep(Math.min(ms, left), signal)
      throwIfStopped(signal)
      if (ms > left) throw stepTimeout(input)
    },
    exec(request) {
      commands += 1
      const place = commands
      const { looks } = input
      if (!looks) return run(request, place)
      // A command with a signal of its own listens beside the others and changes nothing.
      if (!isRead(request)) return request.signal ? run(request, place) : change(looks, request, place)
      const look = input.looksAnew ? readAgain : readOnce
      return look(looks, keyOf(input, request), clock.now(), () => run(request, place))
    },
  }

  /** From here on, answers from before may be wrong. A look during the change is about the change and stays. */
  function change(looks: RecentReads, request: CommandRequest, place: number): Promise<Done> {
    looks.clear()
    return run(request, place)
  }

  async function run(request: CommandRequest, place: number): Promise<Done> {
    // Without a name to ask by, to ask would be to run it once more.
    if (input.attachOnly && !request.repeatable && !transport.attaches)
      throw new Failed({ code: 'end-not-seen', runId: input.runId, step: input.stepId })
    const most = request.repeatable ? READ_TRIES : 1
    for (let tries = 1; ; tries += 1) {
      const executed = await tryOnce(request, place)
      if (executed.result.kind !== 'lost' || tries === most) return settle(input, request, executed)
      await clock.sleep(READ_RETRY_MS * tries, signal)
    }
  }

  async function tryOnce(request: CommandRequest, place: number): Promise<Executed> {
    throwIfStopped(signal)
    const timeoutMs = Math.min(request.timeoutMs ?? Number.POSITIVE_INFINITY, remainingMs())
    if (timeoutMs <= 0) throw stepTimeout(input)
    const executed = await execute(input, request, timeoutMs, place)
    if (mayHaveRun(executed.result)) input.onRan?.()
    return executed
  }
}

const keyOf = ({ cwd, env }: ContextInput, request: CommandRequest): string =>
  JSON.stringify({ ...request, cwd: request.cwd ?? cwd, env: { ...env, ...request.env } })

function mayHaveRun({ kind }: ExecResult): boolean {
  switch (kind) {
    case 'not-started':
    case 'denied':
    case 'auth-failed':
    case 'unreachable':
      return false
    case 'exited':
    case 'timeout':
    case 'cancelled':
    case 'lost':
      return true
  }
}

/**
 * The same place in the same attempt of the same run, and the same command: a runner that takes over asks for it
 * again by this name and finds the one that was started, and never takes another command for it. Null: it has no name.
 */
function startOnceKey(
  input: ContextInput,
  place: number,
  { argv, cwd, durable, repeatable }: CommandRequest,
): string | null {
  if (repeatable || !(input.transport.startsOnce || durable)) return null
  const command = shortHash({ argv: [...argv], cwd: cwd ?? input.cwd ?? null })
  return `${input.runId}/${input.stepId.slice(0, 60)}/${input.phase}/${place}/${command}`
}

async function execute(
  input: ContextInput,
  request: CommandRequest,
  timeoutMs: number,
  place: number,
): Promise<Executed> {
  const key = startOnceKey(input, place, request)
  const shown = request.quiet && !request.onLine ? null : readers(input, request)
  const result = await input.transport.exec(
    { argv: request.argv, cwd: request.cwd ?? input.cwd, env: { ...input.env, ...request.env } },
    {
      timeoutMs,
      signal: request.signal ? AbortSignal.any([input.signal, request.signal]) : input.signal,
      ...(shown ? { onOutput: (stream, chunk) => shown[stream].push(chunk) } : {}),
      ...(request.keepBytes === undefined ? {} : { keepBytes: request.keepBytes }),
      ...(key === null ? {} : { key, ...(input.attachOnly ? { attachOnly: true } : {}) }),
      ...(request.durable ? { durable: true } : {}),
      ...(request.repeatable
        ? {}
        : { onStart: command => input.emit({ type: 'command-started', id: input.stepId, place, command }) }),
    },
  )
  shown?.stdout.end()
  shown?.stderr.end()
  return { result, timeoutMs, ends: shown ? lastOf(shown) : lastOfQuiet(input, result) }
}

type Executed = { result: ExecResult; timeoutMs: number; ends: Done['ends'] }

const LAST_LINES = 40

const readers = ({ emit, secrets, stepId: id, phase }: ContextInput, { onLine, quiet }: CommandRequest) => {
  const reader = (stream: StreamName) =>
    keepingLast(secrets, line => {
      onLine?.(line)
      if (!quiet) emit({ type: 'output', id, phase, stream, line })
    })
  return { stdout: reader('stdout'), stderr: reader('stderr') }
}

const lastOf = ({ stdout, stderr }: ReturnType<typeof readers>) => ({
  stdout: stdout.last(),
  stderr: stderr.last(),
})

/** Nobody saw its lines: they are looked at when it has failed. */
function lastOfQuiet({ secrets }: ContextInput, result: ExecResult): Done['ends'] {
  if (result.kind !== 'exited' || result.code === 0) return undefined
  const last = (bytes: Buffer) => {
    const reader = keepingLast(secrets, () => {})
    reader.push(bytes)
    reader.end()
    return reader.last()
  }
  return { stdout: last(result.stdout), stderr: last(result.stderr) }
}

/** Tells every line, and keeps the last ones: what a long output ends with is what a failure is explained by. */
function keepingLast(secrets: Redactor, onLine: (line: string) => void) {
  const kept: string[] = []
  const lines = lineReader(line => {
    onLine(line)
    kept.push(line)
    if (kept.length >= 2 * LAST_LINES) kept.splice(0, LAST_LINES)
  }, secrets)
  return { ...lines, last: () => kept.slice(-LAST_LINES).join('\n') }
}

function settle(input: ContextInput, request: CommandRequest, { result, timeoutMs, ends }: Executed): Done {
  const argv = [...request.argv]
  const target = input.transport.name
  const { secrets } = input
  switch (result.kind) {
    case 'exited':
      return {
        code: result.code,
        signal: result.signal,
        stdout: textOf(result.stdout, result.stdoutTruncated, secrets),
        stderr: textOf(result.stderr, result.stderrTruncated, secrets),
        truncated: { stdout: result.stdoutTruncated, stderr: result.stderrTruncated },
        ...(ends ? { ends } : {}),
        durationMs: result.durationMs,
      }
    case 'timeout':
      throwIfStopped(input.signal)
      throw new Failed({
        code: 'command-timeout',
        argv,
        timeoutMs,
        tail: secrets.text(result.stderr.toString('utf8')).slice(-2000),
      })
    case 'cancelled':
      throwIfStopped(input.signal)
      throw new Failed({ code: 'command-failed', argv, exitCode: null, signal: 'a cancellation', tail: '' })
    case 'not-started':
      throw new Failed({ code: 'command-not-started', argv, why: result.why, detail: result.detail })
    case 'denied':
      throw new Failed({ code: 'denied', target, rule: result.rule })
    case 'auth-failed':
      throw new Failed({ code: 'auth-failed', target })
    case 'unreachable':
      throw new Failed({
        code: 'unreachable',
        target,
        reason: result.reason,
        ...(result.hint === undefined ? {} : { hint: result.hint }),
      })
    case 'lost':
      // A stopped run cancels its command; when the link dies of that too, the stop is the cause.
      if (request.repeatable) throwIfStopped(input.signal)
      throw new Failed({ code: 'link-lost', target, command: argv.join(' '), reason: result.reason })
  }
}

/** Half a secret at the end of a text that was cut would be found by nobody. */
function textOf(bytes: Buffer, cut: boolean, secrets: Redactor): string {
  const text = bytes.toString('utf8')
  return cut ? secrets.beginning(text).told : text
}

function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason instanceof Failed ? signal.reason : new Failed(unknownStop)
}

const unknownStop: Failure = { code: 'internal', problem: 'stopped without a reason' }

const stepTimeout = (input: ContextInput) =>
  new Failed({ code: 'step-timeout', step: input.stepId, timeoutMs: input.timeoutMs })
