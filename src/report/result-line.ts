import { jsonLine } from '../wording/printable.ts'
import type { Report } from './schema.ts'

/** What orchestrators look for at the beginning of the last line of stdout. */
export const RESULT_PREFIX = 'OPENCLAW_RESULT_JSON:'

export const resultLine = (report: Report): string => `${RESULT_PREFIX}${jsonLine(report)}\n`
