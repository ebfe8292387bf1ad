import type { Report } from '../report/schema.ts'

/** What orchestrators look for at the beginning of the last line of stdout. */
export const RESULT_PREFIX = 'OPENCLAW_RESULT_JSON:'

/** One line for every reader: JSON leaves two line ends of Unicode's as they are, and some readers split there. */
export function resultLine(report: Report): string {
  const json = JSON.stringify(report).replace(
    /[\u2028\u2029\u0085]/g,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `${RESULT_PREFIX}${json}\n`
}
