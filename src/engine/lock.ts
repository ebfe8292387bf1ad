/** One run at a time per checkout and compose project, by a lock on the target that names its holder. */
import { createHash } from 'node:crypto'
import { Failed } from '../failure.ts'
import type { StepContext } from '../steps/contract/step.ts'
import type { LockReply, LockVerb } from '../transport/host-tools.ts'
import { type Holder, type HolderStatus, type LockInput, readHolder } from './holder.ts'
import { LOCK_SCRIPT } from './lock-script.ts'
import type { Guarded } from './run-input.ts'
import type { Run } from './run-state.ts'
import { stepContext } from './step-context.ts'
import { canBeReady, makeReady } from './step-state.ts'

export type Lock = {
  release(): Promise<void>
  /** Ends the heartbeat only: what was locked stays so. */
  leave(): void
}

const HEARTBEAT_MS = 15_000
const ASK_AGAIN_MS = 1_000
const COMMAND_MS = 30_000

/** Takes every lock that the plan names, in one order for all runs; throws `Failed` and keeps none when one is held. */
export async function acquireLocks(run: Run): Promise<Lock> {
  const names = lockNames(run)
  const { lock } = run.input
  if (names.length === 0 || !lock) return { release: async () => {}, leave: () => {} }
  const taken: string[] = []
  const mine = JSON.stringify(lock.holder)
  const release = async () => {
    const context = targetContext(run.input, new AbortController().signal)
    await Promise.all(taken.splice(0).map(name => askTarget(context, 'release', name, mine)))
  }
  try {
    for (const name of names) {
      await acquire(run, lock, name, mine)
      taken.push(name)
    }
  } catch (error) {
    await release().catch(() => {})
    throw error
  }
  const stopHeart = beat(run, names, mine)
  return {
    async release() {
      // A beat that is on its way could take again what is given back here.
      await stopHeart()
      await release()
    },
    leave: () => void stopHeart(),
  }
}

function lockNames(run: Run): string[] {
  const { tools } = run.input.transport
  const names = new Set<string>()
  for (const state of run.states) {
    const { locks } = state.kind.plan
    if (!locks || state.planned.when === false || !canBeReady(state, run.known)) continue
    for (const name of locks(makeReady(state, run.known).input)) names.add(tools?.lockName(name) ?? name)
  }
  return [...names].sort()
}

async function acquire(run: Run, lock: LockInput, name: string, mine: string): Promise<void> {
  const { clock } = run.input
  const context = targetContext(run.input, run.stops.steps)
  const deadline = clock.now() + lock.waitMs
  let told = ''
  let answer = await askTarget(context, 'acquire', name, mine)
  while (answer.word !== 'mine') {
    const holder = readHolder(answer.content)
    const judgement = holder === null ? 'unknown' : judgementOf(run, lock, holder)
    if (judgement === 'finished') {
      answer = await askTarget(context, 'replace', name, mine, answer.content)
      if (answer.word === 'mine') return
    }
    refuseToWait(lock, name, { holder, judgement, path: answer.path })
    if (clock.now() >= deadline) throw held(name, holder, answer, lock)
    const waitsFor = called(holder)
    if (told !== waitsFor)
      run.emit({ type: 'checked', id: 'lock', text: `waits for ${waitsFor}`, seen: null, failure: null })
    told = waitsFor
    await context.sleep(Math.min(ASK_AGAIN_MS, deadline - clock.now()))
    answer = await askTarget(context, 'acquire', name, mine)
  }
}

/** Throws where no waiting helps: the holder's run is to be settled first, or its record is gone. */
function refuseToWait(
  lock: LockInput,
  what: string,
  { holder, judgement, path }: { holder: Holder | null; judgement: HolderStatus; path: string },
): void {
  if (holder === null) return
  const { runId, state = lock.holder.state ?? '' } = holder
  if (judgement === 'interrupted')
    throw new Failed({ code: 'interrupted-run', what, runId, ...elsewhere(holder, lock) })
  if (judgement === 'lost') throw new Failed({ code: 'record-gone', what, runId, state, lock: path })
}

/** Ids may be given twice, by callers with state folders of their own: only who goes on with a run takes its lock over. */
function judgementOf(run: Run, lock: LockInput, holder: Holder): HolderStatus {
  const judged = lock.judge(holder)
  const { runId, machine, state } = lock.holder
  // On another machine a folder may have another path.
  const isOwn =
    holder.machine === machine ? (holder.state ?? state) === state : run.input.recovered !== undefined
  return holder.runId === runId && isOwn && judged !== 'alive' ? 'finished' : judged
}

/**
 * While the run lives, its locks say so. One that is gone is taken again; one that is somebody else's ends nothing
 * half-way, but nothing is begun beside them.
 */
function beat(run: Run, names: readonly string[], mine: string): () => Promise<void> {
  const stopped = new AbortController()
  const context = targetContext(run.input, stopped.signal)
  const say = (line: string) => run.emit({ type: 'said', id: 'lock', phase: null, line })
  const lost = new Set<string>()
  const look = async (name: string) => {
    const touched = await askTarget(context, 'touch', name, mine)
    if (touched.word !== 'lost' || lost.has(name)) return
    const answer = touched.content === '' ? await askTarget(context, 'acquire', name, mine) : touched
    if (answer.word === 'mine') return say(`the lock on ${name} was gone, and is taken again`)
    lost.add(name)
    run.lost ??= {
      code: 'lock-lost',
      runId: run.input.runId,
      what: name,
      holder: called(readHolder(answer.content)),
    }
    say(`the lock on ${name} is not this run's any more: somebody took it away`)
  }
  const heart = async () => {
    while (!stopped.signal.aborted) {
      await run.input.clock.sleep(HEARTBEAT_MS, stopped.signal)
      for (const name of names) {
        if (stopped.signal.aborted) return
        // The next beat may reach the target again.
        await look(name).catch(() => {})
      }
    }
  }
  const ended = heart()
  return () => {
    stopped.abort(new Failed({ code: 'internal', problem: 'the heartbeat has ended' }))
    return ended
  }
}

export async function askTarget(
  context: StepContext,
  verb: LockVerb,
  name: string,
  mine: string,
  expected = '',
): Promise<LockReply> {
  const file = `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.lock`
  const reply = await (context.tools?.lock({ verb, file, mine, expected }) ??
    askByScript(context, [verb, file, mine, expected]))
  if (reply.word === 'unwritable') throw new Failed({ code: 'lock-unwritable', detail: reply.content })
  return reply
}

async function askByScript(context: StepContext, words: readonly string[]): Promise<LockReply> {
  const argv = ['sh', '-c', LOCK_SCRIPT, 'hostops-lock', ...words]
  const done = await context.exec({ argv, quiet: true, repeatable: true, timeoutMs: COMMAND_MS })
  const [first = '', ...rest] = done.stdout.split('\n')
  const [word = '', age = '0', path = ''] = first.split(' ')
  if (word === 'unwritable' || word === '')
    return { word: 'unwritable', age: 0, path, content: `${first} ${done.stderr}`.trim() }
  return { word, age: Number(age), path, content: rest.join('\n').trimEnd() }
}

export const targetContext = (run: Guarded, signal: AbortSignal): StepContext =>
  stepContext({
    runId: run.runId,
    stepId: 'lock',
    phase: 'lock',
    transport: run.transport,
    clock: run.clock,
    emit: run.emit,
    secrets: run.secrets,
    timeoutMs: 2 ** 31 - 1,
    signal,
    env: {},
    cwd: undefined,
    confirmed: null,
    hold: run.hold,
  })

const called = (holder: Holder | null): string =>
  holder ? `run ${holder.runId} (${holder.who})` : 'something that hostops did not write'

/** Where its run has to be looked for, when that is not here. */
const elsewhere = (holder: Holder | null, { holder: mine }: LockInput) =>
  holder?.state === undefined || holder.state === mine.state ? {} : { state: holder.state }

const held = (what: string, holder: Holder | null, answer: LockReply, lock: LockInput): Failed =>
  new Failed({
    code: 'lock-held',
    what,
    holder: holder
      ? `run ${holder.runId} (${holder.who}, last seen ${Math.max(0, answer.age)} s ago)`
      : 'something that hostops did not write',
    since: holder?.since ?? 'an unknown time',
    ...(holder === null ? {} : { runId: holder.runId }),
    ...elsewhere(holder, lock),
  })
