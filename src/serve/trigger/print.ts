/** What hostops-trigger prints: the result on stdout, words for people on stderr. */
import type { Failure } from '../../failure.ts'
import { EXIT_OK } from '../../report/exit-code.ts'
import { resultLine } from '../../report/result-line.ts'
import type { RunReport } from '../../runs/runs.ts'
import { jsonLine, printable } from '../../wording/printable.ts'
import { sentence } from '../../wording/word.ts'

export type TriggerIo = {
  /** The result. */
  out(text: string): void
  /** For people. */
  err(text: string): void
}

/** Hints of others would name commands that the caller cannot run. */
export function printError(failure: Failure, io: TriggerIo): void {
  io.err(`error: ${printable(sentence(failure))}\n`)
  if (failure.code === 'usage' && failure.what === 'command-line')
    io.err(`hint: ${printable(failure.hint)}\n`)
}

export function printJson(value: unknown, io: TriggerIo, code: number = EXIT_OK): number {
  io.out(`${jsonLine(value)}\n`)
  return code
}

export function printEnd(
  { report, exitCode }: Pick<RunReport, 'report' | 'exitCode'>,
  io: TriggerIo,
): number {
  if (report.error !== null) io.err(`error: ${printable(report.error)}\n`)
  if (report.outcome === 'started' || report.outcome === 'unknown') io.err(waitHint(report.runId))
  io.out(resultLine(report))
  return exitCode
}

const waitHint = (runId: string) => `hint: hostops-trigger wait ${printable(runId)} --timeout 20s\n`
