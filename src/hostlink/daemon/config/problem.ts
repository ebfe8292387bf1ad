import { systemError } from '../../../process/system-error.ts'

/** One mistake in a file that a person wrote: where it is, what it is, what to do. */
export type Problem = {
  readonly file: string
  readonly line?: number
  readonly column?: number
  readonly key?: string
  readonly reason: string
  readonly hint?: string
}

/** `file:line:col: key: reason`, then a `hint:` line where there is one. */
export function wordProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter(part => part !== undefined).join(':')
  const text = [place, problem.key, problem.reason].filter(part => part !== undefined).join(': ')
  return problem.hint === undefined ? text : `${text}\nhint: ${problem.hint}`
}

/** The reason that the system gave, in words that go into a sentence. */
export function systemReason(error: unknown): string {
  const { words } = systemError(error)
  return /^[A-Z][a-z]/.test(words) ? words.charAt(0).toLowerCase() + words.slice(1) : words
}

/** The same, behind the file or folder that it is about, where that is known. */
export const reasonWithPath = (error: unknown): string =>
  `${error instanceof Error && 'path' in error ? `${String(error.path)}: ` : ''}${systemReason(error)}`
