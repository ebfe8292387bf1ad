/** The copy of the report that a caller asks for with --report-file. */
import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Failure } from '../../failure.ts'
import type { Report } from '../../report/schema.ts'
import { writeAtomically } from '../../runs/atomic-file.ts'

/** The file, where one can be put there at all: what cannot be is told as wrong use, and not tried. */
export function writableReportFile(given: string | undefined, cwd: string): string | undefined {
  if (given === undefined) return undefined
  const file = resolve(cwd, given)
  return reportFileProblem(file) === null ? file : undefined
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
    complain({ code: 'usage', problem: `cannot write the report to ${file}: ${(error as Error).message}` })
  }
}

/**
 * Why no report can be put there; null when one can. Told before the first change: at the end it is too late for who
 * waits for that file.
 */
export function reportFileProblem(file: string): string | null {
  const there = statOf(file)
  if (there?.isDirectory()) return 'is a folder'
  // A device or a pipe is written to as it is.
  if (there !== null && !there.isFile()) return null
  if (!statOf(dirname(file))?.isDirectory()) return 'stands in a folder that does not exist'
  try {
    accessSync(dirname(file), constants.W_OK)
    return null
  } catch {
    return 'stands in a folder that cannot be written to'
  }
}

function statOf(file: string): Stats | null {
  try {
    return statSync(file)
  } catch {
    return null
  }
}
