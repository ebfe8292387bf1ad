/** One mistake in a file that a person wrote: where it is, what it is, what to do. */
export type Problem = {
  readonly file: string
  readonly line?: number
  readonly column?: number
  readonly key?: string
  readonly reason: string
  readonly hint?: string | undefined
}

/** `file:line:col: key: reason`, then a `hint:` line where there is one. */
export function wordProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter(part => part !== undefined).join(':')
  const text = [place, problem.key, problem.reason].filter(part => part !== undefined).join(': ')
  return problem.hint === undefined ? text : `${text}\nhint: ${problem.hint}`
}
