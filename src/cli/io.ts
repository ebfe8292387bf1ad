/** What a command may touch of the process: passed in, so that no command reaches for globals. */
export type Io = {
  /** Results only. */
  stdout: Sink
  /** Everything for people. */
  stderr: Sink
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Rejects with what nobody caught, so that a run can still say how it ended. */
  fault: Promise<never>
}

export type Sink = {
  write(text: string): void
  readonly isTTY: boolean
  /** Asked anew for each drawing: terminals change their size. */
  columns(): number
  rows(): number
}
