/** What a spool's files tell about its job. */

import { isAlive } from '../process/identity.ts'
import type { JobInfo, JobState } from './job-info.ts'
import type { End, Spool } from './spool.ts'

/** A supervisor that has not shown itself after this time never will. */
const STARTING_MS = 15_000

/**
 * `isStarting`: this process holds a supervisor that it has started. `readAgain` is asked once more when the supervisor
 * is gone, because it may have written the end just before it went.
 */
export async function currentInfo(
  spool: Spool,
  isStarting: boolean,
  readAgain: () => Promise<Spool | null>,
): Promise<JobInfo> {
  if (spool.end !== null) return finishedInfo(spool, spool.end)
  if (spool.supervisor !== null ? isAlive(spool.supervisor.self) : isStarting || isYoung(spool)) {
    return openInfo(spool, spool.supervisor?.command ? 'running' : 'starting')
  }
  const latest = await readAgain()
  return latest?.end ? finishedInfo(latest, latest.end) : openInfo(latest ?? spool, 'lost')
}

const isYoung = (spool: Spool): boolean => Math.abs(Date.now() - spool.meta.created_ms) < STARTING_MS

function finishedInfo(spool: Spool, end: End): JobInfo {
  return {
    ...beginning(spool, end.state),
    ended_at: end.ended_at,
    exit_code: end.exit_code,
    duration_ms: end.duration_ms,
    ...outputs(spool, end.stdout_original_bytes, end.stderr_original_bytes),
    ...ending(spool),
    ...(end.error_msg === undefined ? {} : { error_msg: end.error_msg }),
  }
}

function openInfo(spool: Spool, state: JobState): JobInfo {
  const isLost = state === 'lost'
  return {
    ...beginning(spool, state),
    ended_at: 0,
    exit_code: -1,
    duration_ms: isLost ? 0 : Math.max(0, Date.now() - spool.meta.created_ms),
    ...outputs(spool, spool.stdoutBytes, spool.stderrBytes),
    ...ending(spool),
    ...(isLost ? { error_msg: 'the end of this job was never recorded: its supervisor is gone' } : {}),
  }
}

const beginning = (spool: Spool, state: JobState) => ({
  job_id: spool.id,
  state,
  done: state !== 'starting' && state !== 'running',
  command: spool.command,
  created_at: Math.floor(spool.meta.created_ms / 1000),
})

const ending = (spool: Spool) => ({
  timeout_ms: spool.meta.timeout_ms,
  pid: spool.supervisor?.command?.pid ?? 0,
  ...(spool.meta.workdir === undefined ? {} : { workdir: spool.meta.workdir }),
})

const outputs = (spool: Spool, stdoutOriginal: number, stderrOriginal: number) => ({
  stdout_bytes: spool.stdoutBytes,
  stderr_bytes: spool.stderrBytes,
  stdout_original_bytes: stdoutOriginal,
  stderr_original_bytes: stderrOriginal,
  stdout_truncated: stdoutOriginal > spool.stdoutBytes,
  stderr_truncated: stderrOriginal > spool.stderrBytes,
})
