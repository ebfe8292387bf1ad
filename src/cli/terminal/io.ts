/** A process with its streams, as a command sees it. */
import type { Around } from '../../app/watcher.ts'

export type Io = Around & {
  /** Results only. */
  stdout: Sink
  /** Everything for people. */
  stderr: Sink
}

export type Sink = {
  write(text: string): void
  readonly isTTY: boolean
  /** Read for each drawing: terminals change their size. */
  columns(): number
  rows(): number
}
