import type { FolderId } from '../process/workdir.ts'
import type { Invocation } from './job-info.ts'

/** What a supervisor gets over its standard input: never in any process's arguments, never on disk. */
export type JobSpec = {
  readonly command: Invocation
  readonly workdir?: string | undefined
  readonly workdirIs?: FolderId | undefined
  readonly timeoutMs: number
  readonly maxSpoolBytes: number
}

/** In place of a folder: it comes before the job, in a line of its own, once there is one. */
export const SPARE = '--spare'
