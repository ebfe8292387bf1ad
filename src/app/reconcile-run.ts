/**
 * A run of this machine whose commands ran at a daemon, and whose end is not known: the daemon is asked again. What it
 * cannot tell for certain changes nothing here; what it can goes into journal and report, like the words of a runner.
 */
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event } from '../engine/events.ts'
import { type Progress, progressAfter } from '../engine/progress.ts'
import { reconcileRun } from '../engine/reconcile.ts'
import type { RunEnd } from '../engine/run-input.ts'
import { Failed, type Failure } from '../failure.ts'
import type { Surroundings } from '../process/surroundings.ts'
import { callerOf } from '../runs/caller.ts'
import { isTaken, takeOver } from '../runs/runner-lock.ts'
import { mayBeAsked, type RunEntry, readRun, unwritable } from '../runs/runs-folder.ts'
import { type Kept, readKept } from '../runs/stored-plan.ts'
import { kinds } from '../steps/index.ts'
import type { Transport } from '../transport/transport.ts'
import { clock } from './clock.ts'
import { connectTo } from './connect-to.ts'
import { environment } from './environment.ts'
import { makeSink } from './event-sink.ts'
import { makeInterrupts } from './interrupts.ts'
import type { Note } from './watcher.ts'

/** `failure`: why its end is still open. */
export async function settleRun(
  run: RunEntry,
  { patienceMs, around }: { patienceMs: number; around: Surroundings },
): Promise<{ run: RunEntry; failure: Failure | null }> {
  let failure: Failure | null = null
  try {
    const kept = readKept(run)
    const recovered = progressAfter(kept.events)
    if (recovered.rollback) return { run, failure }
    if (isKnown(recovered)) {
      const now = await afterOthers(run, patienceMs)
      if (!mayBeAsked(now)) return { run: now, failure }
    }
    const answer = await asked(run, kept, recovered, { patienceMs, around })
    if ('failure' in answer) failure = answer.failure
    else failure = keep(run, kept, answer)
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    failure = error.failure
  }
  const now = await afterOthers(run, patienceMs)
  return { run: now, failure: mayBeAsked(now) ? failure : null }
}

/** Somebody has found its end out since we looked; without a report where they died before they had written that. */
const isKnown = ({ end }: Progress): boolean => end !== null && end.outcome !== 'unknown'

/** Who asks at the same moment, and writes it down first, has it written in a moment. */
async function afterOthers(run: RunEntry, patienceMs: number): Promise<RunEntry> {
  for (const end = clock.now() + patienceMs; isTaken(run.folder) && clock.now() < end; )
    await sleep(LOOK_AGAIN_MS)
  return readRun(run.folder) ?? run
}

type Answer = { events: Event[]; end: RunEnd }
/** Why the end stays unknown, and what to type. */
type Unknown = { failure: Failure }

async function asked(
  run: RunEntry,
  kept: Kept,
  recovered: Progress,
  { patienceMs, around }: { patienceMs: number; around: Surroundings },
): Promise<Answer | Unknown> {
  const { runId } = run.head
  if (Object.values(kept.playbook.inputs).some(({ type }) => type === 'secret'))
    return { failure: { code: 'usage', what: 'secrets-needed', runId } }
  const { inputs } = kept.plan
  const connected = await connectTo(kept.plan.target, {
    env: around.env,
    jobsFolder: join(stateOf(run), 'jobs'),
    interrupts: makeInterrupts(),
  })
  if (!connected.ok) {
    const { target } = kept.plan
    return { failure: { code: 'usage', what: 'not-asked', runId, target, because: connected.failure } }
  }
  const { transport } = connected
  const events: Event[] = []
  try {
    const ended = reconcileRun({
      ...{ runId, kinds, inputs, transport, clock, recovered },
      plan: kept.plan,
      playbook: kept.playbook,
      env: environment(kept.playbook, around),
      emit: event => void events.push(event),
      caller: callerOf(undefined, kept.plan.target),
      record: { id: () => kept.journalId, isWhole: () => true, anchor: async () => {} },
    })
    const end = await within(ended, patienceMs)
    if (end === null) return { failure: stillRuns(runId, transport) }
    if (end.outcome === 'unknown') return { failure: end.failure ?? stillRuns(runId, transport) }
    return { events, end }
  } finally {
    // Nothing ends with this link: what is asked for was started by another one.
    await transport.close()
  }
}

/** Null when it takes longer than that. */
async function within<T>(ended: Promise<T>, patienceMs: number): Promise<T | null> {
  const over = new AbortController()
  const limit = Math.min(patienceMs, LONGEST_TIMER_MS)
  const late = sleep(limit, null, { signal: over.signal }).catch(() => null)
  const first = await Promise.race([ended, late])
  over.abort()
  return first
}

/** Writes nothing if somebody else has continued the run in the meantime. Returns why it could not be written. */
function keep(run: RunEntry, kept: Kept, { events, end }: Answer): Failure | null {
  try {
    if (!takeOver(run.folder)) return null
  } catch (error) {
    throw new Failed(unwritable(run.folder, error))
  }
  if (readKept(run).events.length !== kept.events.length) return null
  const { runId, playbook, target, startedAt } = run.head
  const head = { runId, playbook, target, dryRun: false, startedAt: Date.parse(startedAt) }
  let failure: Failure | null = null
  const note = (note: Note) => {
    if (note.kind === 'warning') failure = note.failure
  }
  const sink = makeSink(head, { event: () => {}, note })
  sink.goOnIn(stateOf(run), run, kept.events)
  sink.openJournal('witness')
  for (const event of events) sink.emit(event)
  sink.end(end)
  return failure
}

const stillRuns = (runId: string, { name }: Transport): Failure => ({
  ...{ code: 'usage', what: 'not-ended' },
  runId,
  target: name,
})

const stateOf = ({ folder }: RunEntry) => dirname(dirname(folder))

const LOOK_AGAIN_MS = 50
const LONGEST_TIMER_MS = 2 ** 31 - 1
