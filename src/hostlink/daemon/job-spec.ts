import type { Command } from './command.ts'

/** What the daemon tells a supervisor over its standard input: never in any process's arguments, never on disk. */
export type JobSpec = {
  readonly command: Command
  readonly workdir?: string | undefined
  readonly timeoutMs: number
  readonly maxSpoolBytes: number
}

/** Asks a supervisor that has shown itself to read the `cancel` file. */
export const DOORBELL: NodeJS.Signals = 'SIGUSR2'
