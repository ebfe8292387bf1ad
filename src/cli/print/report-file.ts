/** The copy of the report that a caller asks for with --report-file. */
import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Failure, Mistake } from '../../failure.ts'
import type { Report } from '../../report/schema.ts'
import { writeAtomically } from '../../runs/atomic-file.ts'

type ReportFileProblem = Extract<Mistake, { what: 'report-file' }>['why']

/** The file, where one can be put there at all: what cannot be is told as wrong use, and not tried. */
export function writableReportFile(given: string | undefined, cwd: string): string | undefined {
  if (given === undefined) return undefined
  return reportFileProblem(given, cwd) === null ? resolve(cwd, given) : undefined
}

export function copyReport(
  report: Report,
  file: string | undefined,
  complain: (failure: Failure) => void,
): void {
  if (file === undefined) return
  try {
    writeAtomically(file, `${JSON.stringify(report)}\n`, 0o666 & ~process.umask())
  } catch (error) {
    complain({ code: 'usage', what: 'report-not-written', file, detail: (error as Error).message })
  }
}

/**
 * Why no report can be put there; null when one can. Told before the first change: at the end it is too late for who
 * waits for that file.
 */
export function reportFileProblem(given: string, cwd: string): ReportFileProblem | null {
  if (given === '') return 'empty'
  const file = resolve(cwd, given)
  const there = statOf(file)
  if (there?.isDirectory()) return 'folder'
  // A device or a pipe is written to as it is.
  if (there !== null && !there.isFile()) return null
  if (!statOf(dirname(file))?.isDirectory()) return 'no-folder'
  try {
    accessSync(dirname(file), constants.W_OK)
    return null
  } catch {
    return 'unwritable'
  }
}

function statOf(file: string): Stats | null {
  try {
    return statSync(file)
  } catch {
    return null
  }
}
