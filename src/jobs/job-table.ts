/** Which jobs there are and how they stand. The folders are the truth; this only remembers what saves reading. */

import { isAlive } from '../process/identity.ts'
import { removeLeftovers } from '../process/new-folder.ts'
import { systemReason } from '../process/system-error.ts'
import type { JobInfo } from './job-info.ts'
import { currentInfo } from './job-state.ts'
import { listSpools, readSpool, removeSpool, type Spool } from './spool.ts'

/** Receives what happened to jobs: the daemon's log, or nothing. */
export type JobLog = { readonly [level in 'debug' | 'info' | 'warn']: (text: string) => void }
export type Job = { readonly spool: Spool; readonly info: JobInfo }

/** Jobs that run at a time. */
export type Most = { readonly ofAll: number; readonly ofToken: number }

export type JobTable = {
  root(): string
  get(id: string): Promise<Job | null>
  all(): Promise<Job[]>
  /** Takes a place for a job that is about to begin; false when as many run already, of all or of its token. */
  admit(id: string, token: string, most: Most): Promise<boolean>
  forget(id: string): void
  /** This process holds the job's supervisor from `began` to `ended`. */
  began(id: string): void
  ended(id: string): void
  /** Removes what ended longer than that ago. Never what runs, and never what is not ours. */
  sweep(retentionS: number): Promise<void>
}

export function openJobTable(root: () => string, log: JobLog): JobTable {
  /** Jobs that may be running, each with its token; may still hold some that have ended. */
  const open = new Map<string, string>()
  const held = new Set<string>()
  /** Finished jobs do not change any more. */
  const finished = new Map<string, Job>()

  const get = async (id: string): Promise<Job | null> => {
    const spool = await readSpool(root(), id)
    if (spool === null) return null
    const info = await currentInfo(spool, held.has(id), () => readSpool(root(), id))
    return { spool, info }
  }

  const all = async (): Promise<Job[]> => {
    const ids = await listSpools(root())
    const jobs: Job[] = []
    for (const id of ids) {
      const job = finished.get(id) ?? (await get(id))
      if (job === null) continue
      if (job.spool.end !== null) finished.set(id, job)
      jobs.push(job)
    }
    for (const id of finished.keys()) if (!ids.includes(id)) finished.delete(id)
    return jobs
  }

  const dropEnded = async () => {
    for (const id of [...open.keys()]) {
      const job = await get(id)
      // A job without a folder is one that is being made.
      if (job?.info.done) open.delete(id)
    }
  }

  const found = all().then(jobs => {
    for (const { spool, info } of jobs) if (!info.done) open.set(spool.id, spool.meta.token)
  })

  const sweepOne = async (id: string, olderThanS: number) => {
    const job = finished.get(id) ?? (await get(id))
    if (job === null || !job.info.done || mayStillRun(job)) return
    const since = job.info.ended_at || job.info.created_at
    if (since >= olderThanS) return
    if (await removeSpool(root(), id)) log.debug(`job ${id} removed: its time is over`)
    finished.delete(id)
  }

  return {
    root,
    get,
    all,
    admit: async (id, token, { ofAll, ofToken }) => {
      await found
      const isFull = () =>
        open.size >= ofAll || [...open.values()].filter(each => each === token).length >= ofToken
      if (isFull()) await dropEnded()
      // No await between the check and the taking: two requests cannot get the same place.
      if (isFull()) return false
      open.set(id, token)
      return true
    },
    forget: id => void open.delete(id),
    began: id => void held.add(id),
    ended: id => void held.delete(id),
    sweep: async retentionS => {
      const olderThanS = Math.floor(Date.now() / 1000) - retentionS
      for (const id of await listSpools(root())) {
        await sweepOne(id, olderThanS).catch(error => log.warn(`job ${id}: ${systemReason(error)}`))
      }
      await removeLeftovers(root(), Date.now())
    },
  }
}

/** The supervisor is gone; what it looked after may be there all the same. */
const mayStillRun = ({ spool }: Job): boolean =>
  spool.end === null && spool.supervisor?.command != null && isAlive(spool.supervisor.command)
