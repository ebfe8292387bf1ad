/** The host's report line, printed here exactly as the host prints it, and never anything else in its place. */
import type { RunAnswer } from '../../hostlink/messages.ts'
import type { Report } from '../../report/schema.ts'
import { RESULT_PREFIX, resultLine } from '../result-line.ts'

export type HostReport = { report: Report; line: string; exitCode: number }

/** Null when the answer holds no report. */
export function hostReport({ stdout = '', exit_code = 70 }: RunAnswer): HostReport | null {
  const text = stdout.split('\n').findLast(line => line.startsWith(RESULT_PREFIX))
  if (text === undefined) return null
  try {
    const report = JSON.parse(text.slice(RESULT_PREFIX.length)) as Report
    if (typeof report.runId !== 'string' || typeof report.outcome !== 'string') return null
    return { report, line: resultLine(report), exitCode: exit_code }
  } catch {
    return null
  }
}
