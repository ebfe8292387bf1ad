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
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code === 'string' && code in REASONS) return REASONS[code]!
  return error instanceof Error ? error.message : String(error)
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'disk quota exceeded',
  EISDIR: 'is a directory',
  ELOOP: 'too many symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'file name too long',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
}
