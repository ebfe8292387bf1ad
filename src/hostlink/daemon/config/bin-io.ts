/** What `init` and `check` know of the world; the bin fills it in. */
export type BinIo = {
  out(text: string): void
  err(text: string): void
  readonly env: NodeJS.ProcessEnv
  readonly uid: number
  /** How this program is started: node and the bundle. */
  readonly program: readonly string[]
}

/** For both: a wrong option is told, and is exit code 2. */
export function complain(io: BinIo, reason: string, hint: string): 2 {
  io.err(`hostlinkd: ${reason}\nhint: ${hint}\n`)
  return 2
}
