/** The commands over runs, for runs on a host: the host's own answers, in the host's own words. */

import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { DURATION_HINT, parseDuration } from '../../duration.ts'
import type { Failure } from '../../failure.ts'
import { emptyDraft, toReport } from '../../report/build.ts'
import { stateDir } from '../../runs/runs-folder.ts'
import { logReader, stepOfLog } from '../../runs/step-log-text.ts'
import { jsonLine, printable } from '../../ui/printable.ts'
import { runsTable } from '../commands/runs.ts'
import { EXIT_OK, EXIT_REFUSED, EXIT_USAGE } from '../exit-code.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import { resultLine } from '../result-line.ts'
import { readSettings } from '../settings.ts'
import { type Blocker, isBegun, notUsable } from '../state/last-run.ts'
import { waitFor } from './follow.ts'
import { type Asked, type Host, patiently } from './host.ts'
import { openHost } from './open-host.ts'
import { hostReport } from './report-line.ts'
import { hostWords } from './typed-here.ts'

export type AtHost = { target: string; config?: string }

const UNREACHABLE = 4
const UNKNOWN = 6
const POLL_MS = 300
const LONG_WAIT_MS = 50_000

export function reportAt(run: string, options: AtHost, io: Io): Promise<number> {
  const refuse = inALine(run, options)
  const work = async (host: Host, runId: string) => told(await ask(host, 'report', runId), host, io, refuse)
  return withRun(run, options, io, work, refuse)
}

export const confirmAt = (run: string, options: AtHost, io: Io) =>
  withRun(run, options, io, async (host, runId) => told(await ask(host, 'confirm', runId), host, io))

export const cancelAt = (run: string, options: AtHost, io: Io) =>
  // Asked once only: a second one means something else.
  withRun(run, options, io, async (host, runId) =>
    told(await host.ask('cancel', { run_id: runId }), host, io),
  )

export function waitAt(run: string, options: AtHost & { timeout?: string }, io: Io): Promise<number> {
  const refuse = inALine(run, options)
  const work = async (host: Host, runId: string) => {
    const limit = options.timeout === undefined ? Number.POSITIVE_INFINITY : parseDuration(options.timeout)
    if (limit === null)
      return usage({ code: 'usage', problem: '--timeout is no duration', hint: DURATION_HINT }, io)
    for (const deadline = Date.now() + limit; ; ) {
      const left = deadline - Date.now()
      const waited = await waitFor(host, runId, Math.max(0, Math.min(LONG_WAIT_MS, left)))
      if (!waited.ok || waited.value.done) return told(waited, host, io, refuse)
      if (left <= LONG_WAIT_MS)
        return notKnown(runId, { code: 'has-a-runner', runId, pid: null }, options, io)
    }
  }
  return withRun(run, options, io, work, refuse)
}

export async function runsAt(options: AtHost & { limit: string; json?: boolean }, io: Io): Promise<number> {
  return withHost(options, io, async host => {
    const asked = await patiently(() => host.ask('list', {}))
    if (!asked.ok) return no(asked, io)
    const rows = (asked.value.runs ?? []).slice(0, Number(options.limit) || 20)
    if (options.json) io.stdout.write(`${jsonLine(rows)}\n`)
    else if (rows.length === 0) io.stderr.write(`no run yet at ${host.target}\n`)
    else io.stdout.write(runsTable(rows))
    return EXIT_OK
  })
}

export const logsAt = (run: string, options: AtHost & { follow?: boolean; step?: string }, io: Io) =>
  withRun(run, options, io, async (host, runId) => {
    const printers = new Map<string, Printer>()
    for (let over = false; ; ) {
      const listed = await patiently(() => host.ask('logs', { run_id: runId }))
      if (!listed.ok) return no(listed, io)
      for (const { name, bytes } of listed.value.files ?? []) {
        if (options.step !== undefined && stepOfLog(name) !== options.step) continue
        const printer =
          printers.get(name) ??
          makePrinter(name, options.step === undefined ? `${stepOfLog(name)} | ` : '', io)
        printers.set(name, printer)
        while (printer.offset < bytes) {
          const fields = { run_id: runId, file: name, offset: printer.offset }
          const read = await patiently(() => host.ask('logs', fields))
          if (!read.ok) return no(read, io)
          const chunk = Buffer.from(read.value.data ?? '', 'base64')
          if (chunk.length === 0) break
          printer.take(chunk)
        }
      }
      if (over || !options.follow) return EXIT_OK
      const waited = await waitFor(host, runId, 0)
      if (!waited.ok) return no(waited, io)
      // Asked before the last printing: what was written until then is printed for certain.
      over = waited.value.done === true
      if (!over) await sleep(POLL_MS)
    }
  })

type Printer = { offset: number; take(chunk: Buffer): void }

/** Whole lines only. */
function makePrinter(name: string, prefix: string, io: Io): Printer {
  const linesIn = logReader(name)
  return {
    offset: 0,
    take(chunk) {
      this.offset += chunk.length
      io.stdout.write(
        linesIn(chunk)
          .map(({ text }) => `${prefix}${printable(text)}\n`)
          .join(''),
      )
    },
  }
}

const ask = (host: Host, action: string, runId: string): Promise<Asked> =>
  patiently(() => host.ask(action, { run_id: runId }))

export async function withHost(
  options: AtHost,
  io: Io,
  work: (host: Host) => Promise<number>,
  refuse: Refuse = no,
): Promise<number> {
  const settings = readSettings(options, io)
  if (!settings.ok) return usage(settings.failure, io)
  const opened = await openHost(options.target, stateDir(io, settings.settings.stateDir), io)
  if (!opened.ok)
    return refuse({ ok: false, failure: opened.failure, missing: false, again: false, unable: false }, io)
  try {
    return await work(opened.host)
  } finally {
    opened.host.close()
  }
}

/** `last` and beginnings of ids are looked up among the runs that the host tells. */
const withRun = (
  given: string,
  options: AtHost,
  io: Io,
  work: (host: Host, runId: string) => Promise<number>,
  refuse: Refuse = no,
): Promise<number> =>
  withHost(
    options,
    io,
    async host => {
      const found = await findAt(host, given)
      return typeof found === 'string' ? work(host, found) : refuse(found, io)
    },
    refuse,
  )

export async function findAt(
  host: Host,
  given: string,
  verb: 'resume' | 'rollback' | null = null,
): Promise<string | (Asked & { ok: false })> {
  if (given !== 'last') {
    const probe = await ask(host, 'logs', given)
    if (probe.ok) return given
    if (probe.failure.code !== 'usage') return probe
  }
  const listed = await patiently(() => host.ask('list', {}))
  if (!listed.ok) return listed
  const runs = listed.value.runs ?? []
  const behind = given === 'last' && verb !== null ? behindLast(runs, host, verb) : null
  if (behind !== null) return behind
  const ids = runs.map(run => String(run['runId']))
  const begun = runs.filter(run => isBegun(run['outcome'])).map(run => String(run['runId']))
  const matches =
    given === 'last' ? begun.slice(0, 1) : ids.filter(id => given !== '' && id.startsWith(given))
  const [runId] = matches
  if (runId !== undefined && matches.length === 1) return runId
  const problem =
    matches.length > 1
      ? `"${given}" is the beginning of ${matches.length} runs: ${matches.slice(0, 5).join(', ')}`
      : `no run "${given}" at ${host.target}`
  const hint = `hostops runs --target ${host.target}   lists them`
  return notFound({ code: 'usage', problem, hint })
}

/** Null where the last attempt was not refused because of a run; a host of an older release does not say. */
function behindLast([attempt, ...others]: Rows, { target }: Host, verb: string) {
  const blocker = blockerSchema.safeParse(attempt?.['blockedBy']).data
  if (blocker === undefined) return null
  const known = others.map(run => String(run['folder']))
  const at = ` --target ${target}`
  const failure = notUsable(String(attempt?.['runId']), blocker, { known, verb, at })
  return failure === null ? blocker.run!.runId : notFound(failure)
}

type Rows = readonly { readonly [field: string]: unknown }[]

const blockerSchema: z.ZodType<Blocker> = z.object({
  error: z.string(),
  run: z.object({ runId: z.string(), folder: z.string() }).nullable(),
})

const notFound = (failure: Failure): Asked & { ok: false } => ({
  ok: false,
  failure,
  missing: true,
  again: false,
  unable: false,
})

/** The report line is the only thing that is a result; everything else that the host says is for people. */
function told(asked: Asked, { target }: Host, io: Io, refuse: Refuse = no): number {
  if (!asked.ok) return refuse(asked, io)
  const { stderr = '', exit_code = UNKNOWN } = asked.value
  io.stderr.write(hostWords(stderr, target))
  const report = hostReport(asked.value)
  if (report !== null) io.stdout.write(report.line)
  return exit_code
}

type Refuse = (failed: Asked & { ok: false }, io: Io) => number

/** Who parses the last line and cannot reach the host is told that the end is not known, not that nothing was changed. */
const inALine =
  (given: string, options: AtHost): Refuse =>
  (failed, io) => {
    const { code } = failed.failure
    const isSilent = failed.again || code === 'unreachable' || code === 'auth-failed'
    return isSilent ? notKnown(given, failed.failure, options, io) : no(failed, io)
  }

function notKnown(runId: string, failure: Failure, { target }: AtHost, io: Io): number {
  const head = { runId, playbook: null, target, dryRun: false, startedAt: Date.now() }
  const end = { type: 'run-finished', outcome: 'unknown', failedStep: null, failure } as const
  io.stderr.write(hostWords(wordedError(failure), target))
  io.stdout.write(resultLine(toReport({ ...emptyDraft(head), end }, null)))
  return UNKNOWN
}

export function no({ failure, again }: Asked & { ok: false }, io: Io): number {
  io.stderr.write(wordedError(failure))
  if (failure.code === 'denied') return EXIT_REFUSED
  if (again) return UNKNOWN
  return failure.code === 'usage' ? EXIT_USAGE : UNREACHABLE
}

function usage(failure: Failure, io: Io): number {
  io.stderr.write(wordedError(failure))
  return EXIT_USAGE
}
