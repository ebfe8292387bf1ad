import type { ChildProcess } from 'node:child_process'

/** Names one process beyond doubt: pids are given out again, a pid with its start time in one boot is not. */
export type ProcessIdentity = {
  readonly pid: number
  /** Clock ticks since boot, or on Windows the file that it holds open; null where nothing tells it. */
  readonly started: string | null
  readonly boot: string | null
}

/** As it stands in a file. */
export type NotedProcess = { pid: number; started: string | null; boot?: string | null | undefined }

/** What is to be ended, and whether whoever waits for it has seen its end. */
export type Leader = { pid: number; hasEnded: () => boolean }

/** What each platform has to tell; `identity.ts` says what the answers mean. */
export type Identities = {
  identify(pid: number): ProcessIdentity | null
  isAlive(process: ProcessIdentity): boolean
  isThere(process: ProcessIdentity): boolean
  livesStill(process: NotedProcess): boolean
  bootId(): string | null
}

export function answersToSignals(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The whole of what a child is given. */
export type SpawnSpec = {
  readonly argv: readonly string[]
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
}

/** `identify`: by what can be found again later. */
export type Spawned = {
  readonly child: ChildProcess
  readonly identify: (pid: number) => ProcessIdentity | null
}
