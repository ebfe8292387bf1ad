/** `hostops run --on-host` and `--detach`: the engine runs on the host, this process only looks on and may die. */
import type { Event } from '../../engine/events.ts'
import { isRunId, newRunId } from '../../engine/run-id.ts'
import type { RunEnd } from '../../engine/run-input.ts'
import { Failed, type Failure } from '../../failure.ts'
import { emptyDraft, toReport } from '../../report/build.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import { jsonLine } from '../../ui/printable.ts'
import { makeSummary } from '../../ui/summary.ts'
import { isGood } from '../../ui/words.ts'
import { clock } from '../clock.ts'
import { exitCode } from '../exit-code.ts'
import { chooseFace } from '../faces.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { copyReport, writableReportFile } from '../report-file.ts'
import { resultLine } from '../result-line.ts'
import { type RunOptions, wrongUse } from '../run-options.ts'
import { readSettings } from '../settings.ts'
import { catchSignals, type Signals, unlessSignalled } from '../signals.ts'
import { follow, waitFor } from './follow.ts'
import { type Asked, type Host, patiently } from './host.ts'
import { openHost } from './open-host.ts'
import { type HostReport, hostReport } from './report-line.ts'
import { requestFor } from './request.ts'
import { hostWords, typedHere } from './typed-here.ts'

/** How what happens is shown, and the whole path that the report goes to besides. */
type Shown = Pick<RunOptions, 'output' | 'quiet'> & { reportFile?: string | undefined }

export type Head = {
  runId: string
  playbook: string | null
  target: string | null
  dryRun: boolean
  startedAt: number
}

export async function runOnHost(given: string, options: RunOptions, io: Io): Promise<number> {
  const startedAt = clock.now()
  const head: Head = {
    runId: options.runId !== undefined && isRunId(options.runId) ? options.runId : newRunId(startedAt),
    playbook: null,
    target: null,
    dryRun: options.check === true || options.dryRun === true,
    startedAt,
  }
  const shown: Shown = { ...options, reportFile: writableReportFile(options.reportFile, io.cwd) }
  const signals = catchSignals()
  try {
    const end = await Promise.race([attempt(given, options, io, head, signals), io.fault])
    return 'line' in end ? finish(end, shown, io) : finishHere(end, head, shown, io)
  } catch (error) {
    const failure = error instanceof Failed ? error.failure : null
    if (failure) return finishHere({ outcome: 'invalid', failedStep: null, failure }, head, shown, io)
    io.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
    const problem = error instanceof Error ? error.message : String(error)
    const internal: Failure = { code: 'internal', problem }
    return finishHere({ outcome: 'unknown', failedStep: null, failure: internal }, head, shown, io)
  } finally {
    signals.dispose()
  }
}

async function attempt(
  given: string,
  options: RunOptions,
  io: Io,
  head: Head,
  signals: Signals,
): Promise<RunEnd | HostReport> {
  const settings = readSettings(options, io)
  if (!settings.ok) throw new Failed(settings.failure)
  // Also of a playbook that cannot be read; one that can may name another.
  head.target = options.target ?? settings.settings.target ?? null
  const wrong = wrongUse(options, io.cwd)
  if (wrong) throw new Failed(wrong)
  const show = (text: string) => options.output !== 'json' && io.stderr.write(text)
  const request = requestFor(given, options, settings.settings, io, show)
  const wanted = await unlessSignalled(signals, request)
  if (wanted === null) return interrupted(signals.first!)
  const { name, target, fields } = wanted
  head.playbook = name ?? given
  head.target = target
  const stop = new AbortController()
  signals.handle(() => stop.abort())
  const opened = await openHost(target, stateDir(io, settings.settings.stateDir), io, stop.signal)
  if (signals.first) return interrupted(signals.first)
  if (!opened.ok) return notStarted(opened.failure)
  const { host } = opened
  try {
    const started = await patiently(() => host.ask('start', { ...fields, run_id: head.runId }), stop.signal)
    if (!started.ok) return notBegun(started)
    const { attached } = started.value
    if (options.detach) return attached ? await metAgain(host, head, show) : STARTED
    if (attached) show(`${head.runId} was started before: this follows it\n`)
    return await followed(host, head, options, io, signals)
  } finally {
    host.close()
  }
}

const STARTED: RunEnd = { outcome: 'started', failedStep: null, failure: null }

/** Triggered once more: of a run that has ended nothing else is true but how. */
async function metAgain(host: Host, { runId }: Head, show: (text: string) => void) {
  const asked = await waitFor(host, runId, 0)
  const ended = asked.ok && asked.value.done === true ? hostReport(asked.value) : null
  show(`${runId} was started before${ended ? ', and has ended' : ''}\n`)
  return ended ?? STARTED
}

/** `runner`: one of the run's runners, whose end is waited for. */
export async function followed(
  host: Host,
  { runId }: Pick<Head, 'runId'>,
  options: Shown,
  io: Io,
  signals: Signals,
  runner?: string,
): Promise<RunEnd | HostReport> {
  const leave = new AbortController()
  signals.handle(signal => {
    // The end of a terminal or of this container is no wish to stop: that is what the run is on the host for.
    if (signal !== 'SIGINT') return leave.abort()
    void host.ask('cancel', { run_id: runId, signal: 'INT' }).catch(() => {})
  })
  const typed = (hint: string) => typedHere(hint, host.target)
  const face = await chooseFace(options, io, clock.now, typed)
  const summary = makeSummary()
  let end: Event | null = null
  const watcher = {
    event: (event: Event) => {
      summary.add(event)
      if (event.type === 'run-finished') end = event
      try {
        face?.event(event)
      } catch {
        // What cannot be drawn must not end the following; a newer host may say what is not known here.
      }
    },
    words: (line: string) => {
      if (options.output !== 'json') io.stderr.write(`${line}\n`)
    },
  }
  let answer: Asked
  try {
    answer = await follow(host, runId, watcher, leave.signal, runner)
  } finally {
    await face?.close()
  }
  if (leave.signal.aborted) return left(signals)
  if (!answer.ok) return lost(answer.failure)
  const told = hostReport(answer.value)
  if (told === null) return lost({ code: 'usage', problem: `the host tells no report of ${runId}` })
  const isTold = !(options.quiet && isGood(told.report.outcome))
  if (options.output === 'json') {
    if (isTold && face === null && end !== null) tellEvent(end, io)
  } else if (isTold) {
    const columns = io.stderr.isTTY ? io.stderr.columns() : null
    const { report } = told
    const { durationMs } = report
    const lines = summary.lines({ runId, durationMs, stored: true, columns, sight: report, typed })
    // A runner that is gone has no last words: the host says what is known.
    const words =
      lines.length > 0 ? `${lines.join('\n')}\n` : hostWords(answer.value.stderr ?? '', host.target)
    // On a terminal the verdict is what a person sees last.
    if (io.stdout.isTTY) io.stdout.write(told.line)
    io.stderr.write(`${io.stderr.isTTY ? '\n' : ''}${words}`)
    if (io.stdout.isTTY) return { ...told, line: '' }
  }
  return told
}

export function finish({ report, line, exitCode: code }: HostReport, options: Shown, io: Io): number {
  copyReport(report, options.reportFile, complaining(options, io))
  io.stdout.write(line)
  return code
}

/** What the host has no part in, or what is not known of it here. */
export function finishHere(end: RunEnd, head: Head, options: Shown, io: Io): number {
  const draft = { ...emptyDraft(head), end: { type: 'run-finished' as const, ...end } }
  const isOpen = end.outcome === 'started' || end.outcome === 'unknown'
  const report = toReport(draft, isOpen ? null : clock.now())
  if (options.output === 'json') {
    if (end.failure) tellEvent(draft.end, io)
  } else {
    if (end.failure) io.stderr.write(wordedError(end.failure))
    const at = head.target === 'local' ? '' : ` --target ${head.target}`
    if (isOpen && !(options.quiet && end.failure === null)) {
      io.stderr.write(
        `${head.runId} ${end.failure ? 'may go on' : 'goes on'} at the host\nhint: hostops wait ${head.runId}${at}\n`,
      )
    }
  }
  copyReport(report, options.reportFile, complaining(options, io))
  io.stdout.write(resultLine(report))
  return exitCode(end.outcome, end.failure)
}

const complaining = (options: Shown, io: Io) => (failure: Failure) => {
  if (options.output !== 'json') io.stderr.write(wordedError(failure))
}

const tellEvent = (event: Event, io: Io) =>
  io.stderr.write(`${jsonLine({ time: new Date(clock.now()).toISOString(), ...event })}\n`)

export function notStarted(failure: Failure): RunEnd {
  const outcome = failure.code === 'denied' ? 'refused' : failure.code === 'usage' ? 'invalid' : 'unreachable'
  return { outcome, failedStep: null, failure }
}

/** Whether a lost question was heard is not known; everything else is a no. */
export function notBegun({ failure, again, unable }: Asked & { ok: false }): RunEnd {
  if (unable) return { outcome: 'refused', failedStep: null, failure }
  return again ? lost(failure) : notStarted(failure)
}

const lost = (failure: Failure): RunEnd => ({ outcome: 'unknown', failedStep: null, failure })
export const interrupted = (signal: NonNullable<Signals['first']>): RunEnd => ({
  outcome: 'interrupted',
  failedStep: null,
  failure: { code: 'interrupted', signal },
})

function left(signals: Signals): RunEnd {
  const signal = signals.first === 'SIGINT' ? 'SIGTERM' : (signals.first ?? 'SIGTERM')
  return { outcome: 'unknown', failedStep: null, failure: { code: 'interrupted', signal } }
}
