/**
 * Finds runs whose runner is dead. One that waits for a confirmation goes on by itself, since nobody may be able to
 * come back and say so: a deadline that has passed meanwhile takes it back at once, and a way back that was begun for
 * that is gone to its end. About the others a person decides; they are named in the log, once. Values of ended runs are removed here.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Event } from '../engine/events.ts'
import { systemReason } from '../process/system-error.ts'
import { hasReport, hasSettled, mayLive } from '../runs/run-status.ts'
import { type AroundRuns, ownerOf } from './around-runs.ts'
import type { HostRunRequest } from './request-store.ts'

/** Ids that are still answered for, though their run and its report are gone. */
const MOST_KEPT = 1000

export function goOnWaiting(around: AroundRuns, everyMs: number): { stop(): void } {
  const settled = new Set<string>()
  const named = new Set<string>()
  let busy = false
  const look = async () => {
    if (busy) return
    busy = true
    try {
      const ids = around.store.ids()
      for (const id of ids) {
        if (await goesOn(id, around)) settled.delete(id)
        if (settled.has(id)) continue
        await lookAt(id, around, settled, named)
        // A thousand of them hold nobody up.
        await nextTurn()
      }
      forgetOldest(ids, settled, around)
    } catch (error) {
      around.log.error(`runs: ${systemReason(error)}`)
    } finally {
      busy = false
    }
  }
  const timer = setInterval(() => void look(), everyMs)
  timer.unref()
  void look()
  return { stop: () => clearInterval(timer) }
}

/** Whether the run waits for a confirmation, or has missed one and is not rolled back yet. Pure. */
export function hangsOnConfirmation(events: readonly Event[]): boolean {
  let step: string | null = null
  let missed = false
  for (const event of events) {
    if (event.type === 'confirm-awaited') step = event.id
    else if (event.type === 'step-finished' && event.id === step) {
      missed = event.failure?.code === 'approval-denied' && !event.tolerated
      step = null
    } else if (event.type === 'rollback-started') step = null
    else if (event.type === 'run-finished') {
      missed = false
      step = null
    }
  }
  return step !== null || missed
}

/** Somebody asked for that, and it needs the values that it was given. */
async function goesOn(id: string, { again, store, jobs }: AroundRuns): Promise<boolean> {
  const job = again.get(id)
  const owner = store.read(id)?.token
  if (job === undefined || job === null || owner === undefined) return job === null
  const info = await jobs.handle({ action: 'status', job_id: job }, ownerOf(owner))
  if (info.status === 'ok' && !info.done) return true
  again.delete(id)
  return true
}

async function lookAt(
  id: string,
  around: AroundRuns,
  settled: Set<string>,
  named: Set<string>,
): Promise<void> {
  const { store, log, stateDir, runs } = around
  const request = store.read(id)
  const status = store.status(id)
  if (around.again.has(id)) return
  if (request === null || (status !== null && hasReport(status))) {
    settled.add(id)
    // What did not end for certain may still have to be finished, with its secrets.
    if (status !== null && hasSettled(status)) store.forgetValues(id)
    return
  }
  const job = store.job(id)
  if ((status !== null && mayLive(status)) || job === null || named.has(id)) return
  if (await isAtWork(id, job, request, around)) return
  if (!store.hasRun(id)) {
    // It never came to a run; the job's own output says why.
    settled.add(id)
    return store.forgetValues(id)
  }
  if (!hangsOnConfirmation(await runs.events(id))) {
    named.add(id)
    const command = (verb: string) => `HOSTOPS_STATE_DIR=${stateDir} hostops ${verb} ${id}`
    return log.warn(
      `run ${id} was left half-way, and its runner is gone; to finish it: ${command('resume')}; to take it back: ${command('rollback')}`,
    )
  }
  await carryOn(id, job, request, around)
}

async function isAtWork(
  id: string,
  job: string,
  request: HostRunRequest,
  { jobs, store }: AroundRuns,
): Promise<boolean> {
  const info = await jobs.handle({ action: 'status', job_id: job }, ownerOf(request.token))
  // What is read last counts: the runner may have ended meanwhile.
  const now = store.status(id)
  return (info.status === 'ok' && !info.done) || (now !== null && hasReport(now))
}

async function carryOn(id: string, job: string, request: HostRunRequest, around: AroundRuns): Promise<void> {
  const { store, log } = around
  const folder = store.folder(id)
  const values = store.values(id)
  const argv = ['resume', id, '--as-host', '--output', 'json', ...(values ? ['--inputs', values] : [])]
  // Each attempt follows the one before, so that two daemons cannot both go on.
  const started = await around.startJob(request.token, `run/${id}/after/${job}`, argv, folder)
  if (started.job_id === undefined) return log.error(`run ${id} cannot go on: ${started.error_msg}`)
  store.setJob(id, started.job_id)
  log.warn(`run ${id} waits for a confirmation, or has missed it, and its runner is gone: it goes on`)
}

function forgetOldest(ids: readonly string[], settled: Set<string>, { store }: AroundRuns): void {
  if (ids.length <= MOST_KEPT) return
  const gone = ids
    .filter(id => settled.has(id) && !store.hasRun(id))
    .map(id => ({ id, at: store.read(id)?.created_ms ?? 0 }))
    .sort((a, b) => a.at - b.at)
  for (const { id } of gone.slice(0, ids.length - MOST_KEPT)) {
    store.remove(id)
    settled.delete(id)
  }
}
