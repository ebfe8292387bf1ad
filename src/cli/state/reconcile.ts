/**
 * A run of this machine whose commands ran at a daemon, and whose end is not known: the daemon is asked again. What it
 * cannot tell for certain changes nothing here; what it can goes into journal and report, like the words of a runner.
 */
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Event } from '../../engine/events.ts'
import { settle } from '../../engine/reconcile.ts'
import { type Recovered, recover } from '../../engine/recover.ts'
import type { RunEnd } from '../../engine/run-input.ts'
import { Failed, type Failure } from '../../failure.ts'
import { callerOf } from '../../runs/caller.ts'
import { isTaken, takeOver } from '../../runs/runner-lock.ts'
import { mayBeAsked, type RunEntry, readRun, unwritable } from '../../runs/runs-folder.ts'
import { type Kept, readKept } from '../../runs/stored-plan.ts'
import { kinds } from '../../steps/index.ts'
import type { Transport } from '../../transport/transport.ts'
import { sentence } from '../../wording/word.ts'
import { clock } from '../clock.ts'
import { connectTo } from '../connect-to.ts'
import { environment } from '../environment.ts'
import type { Io } from '../io.ts'
import { wordedError } from '../print-failure.ts'
import type { Signals } from '../signals.ts'
import { makeRecorder } from './record.ts'

/** `told`: why its end is still open, and what to type. */
export async function settleRun(
  run: RunEntry,
  { patienceMs, io }: { patienceMs: number; io: Io },
): Promise<{ run: RunEntry; told: boolean }> {
  let told = false
  const tell = (failure: Failure) => {
    io.stderr.write(wordedError(failure))
    told = true
  }
  try {
    const kept = readKept(run)
    const recovered = recover(kept.events)
    if (recovered.rollback) return { run, told }
    if (isKnown(recovered)) {
      const now = await afterOthers(run, patienceMs)
      if (!mayBeAsked(now)) return { run: now, told }
    }
    const answer = await asked(run, kept, recovered, { patienceMs, io })
    if ('failure' in answer) tell(answer.failure)
    else keep(run, kept, answer, io)
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    tell(error.failure)
  }
  const now = await afterOthers(run, patienceMs)
  return { run: now, told: told && mayBeAsked(now) }
}

/** Somebody has found its end out since we looked; without a report where they died before they had written that. */
const isKnown = ({ end }: Recovered): boolean => end !== null && end.outcome !== 'unknown'

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
  recovered: Recovered,
  { patienceMs, io }: { patienceMs: number; io: Io },
): Promise<Answer | Unknown> {
  const { runId } = run.head
  if (Object.values(kept.playbook.inputs).some(({ type }) => type === 'secret'))
    return { failure: secretsNeeded(runId) }
  const { inputs } = kept.plan
  const connected = await connectTo(kept.plan.target, {
    io,
    jobsFolder: join(stateOf(run), 'jobs'),
    signals: NO_SIGNALS,
  })
  if (!connected.ok) {
    return { failure: notAsked(runId, kept.plan.target, connected.failure) }
  }
  const { transport } = connected
  const events: Event[] = []
  try {
    const ended = settle({
      ...{ runId, kinds, inputs, transport, clock, recovered },
      plan: kept.plan,
      playbook: kept.playbook,
      env: environment(kept.playbook, io),
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

/** Nothing, when somebody else went on with the run while it was asked for. */
function keep(run: RunEntry, kept: Kept, { events, end }: Answer, io: Io) {
  try {
    if (!takeOver(run.folder)) return
  } catch (error) {
    throw new Failed(unwritable(run.folder, error))
  }
  if (readKept(run).events.length !== kept.events.length) return
  const { runId, playbook, target, startedAt } = run.head
  const recorder = makeRecorder(
    { runId, playbook, target, dryRun: false, startedAt: Date.parse(startedAt) },
    { json: false, quiet: true, reportFile: undefined },
    io,
    clock.now,
  )
  recorder.goOnIn(stateOf(run), run, kept.events)
  recorder.openJournal('witness')
  for (const event of events) recorder.emit(event)
  recorder.keepEnd(end)
}

const stillRuns = (runId: string, { name }: Transport): Failure => ({
  code: 'usage',
  problem: `what run ${runId} has begun at ${name} has not ended yet`,
  hint: `hostops wait ${runId}   waits for its end`,
})

const notAsked = (runId: string, target: string, because: Failure): Failure => ({
  code: 'usage',
  problem: `what became of run ${runId} could not be asked: ${sentence(because)}`,
  hint: `hostops doctor --target ${target} tells why, hostops report ${runId} asks again`,
})

const secretsNeeded = (runId: string): Failure => ({
  code: 'usage',
  problem: `run ${runId} has secrets, and without them nobody can ask for its commands again`,
  hint: `hostops resume ${runId} -i NAME=@FILE   goes on with it`,
})

const stateOf = ({ folder }: RunEntry) => dirname(dirname(folder))

const LOOK_AGAIN_MS = 50
const LONGEST_TIMER_MS = 2 ** 31 - 1
const NO_SIGNALS: Signals = { first: null, handle: () => {}, dispose: () => {} }
