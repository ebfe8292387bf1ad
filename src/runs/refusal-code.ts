/** What an error says of a command about a run that was not carried out. */
import type { Failed, Failure } from '../failure.ts'
import { EXIT_REFUSED, EXIT_UNKNOWN, EXIT_UNREACHABLE, EXIT_USAGE } from '../report/exit-code.ts'
import { HostRefusal } from './host-link.ts'

/** The host says nothing: how the run ended is not known, rather than that nothing was changed. */
export const isSilence = (error: Failed): error is HostRefusal =>
  error instanceof HostRefusal && (error.reply.again || SILENT.has(error.failure.code))

const SILENT: ReadonlySet<Failure['code']> = new Set(['unreachable', 'auth-failed', 'link-lost'])

/** Its exit code. */
export function refusalCode(error: Failed): number {
  const { code } = error.failure
  if (REFUSED.has(code)) return EXIT_REFUSED
  if (!(error instanceof HostRefusal)) return EXIT_USAGE
  if (error.reply.again || code === 'link-lost') return EXIT_UNKNOWN
  return code === 'usage' ? EXIT_USAGE : EXIT_UNREACHABLE
}

const REFUSED: ReadonlySet<Failure['code']> = new Set([
  'denied',
  'approval-needed',
  'not-confirmable',
  'not-cancellable',
])
