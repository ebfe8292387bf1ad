import * as z from 'zod'
import { Failed } from '../../failure.ts'
import { docker, SERVICE } from '../compose/compose.ts'
import { survivingEngine } from '../compose/engine-away.ts'
import { once } from '../contract/once.ts'
import { absolutePath } from '../contract/schema-fields.ts'
import { type Facts, RUNNING, type StepContext, type StepKind, type StepResult } from '../contract/step.ts'
import { type CopySeen, doHere, findCopy, type KeptState, keptAt, stageOf, unpause } from './kept-copy.ts'
import { type Mounter, mountersOf } from './mounted-by.ts'
import { CLEAR, COPY, SWAP, TIDY } from './snapshot-scripts.ts'
import { findState, locateState, printBytes, printPlace, type StateFolder, unusable } from './state-folder.ts'

const GIB = 2 ** 30
/** Left for the service, which writes to the same disk. */
const RESERVE_BYTES = 64 * 2 ** 20

const schema = once(() =>
  z
    .strictObject({
      path: absolutePath().optional().describe('A folder with state, an absolute path on the target.'),
      volume: z
        .string()
        .regex(SERVICE, 'the name of a volume')
        .optional()
        .describe('In place of path: a named volume of the local driver, as docker volume ls shows it.'),
      pause: z
        .boolean()
        .default(true)
        .describe(
          'Pause the containers that may write it while it is copied. A copy that something has changed meanwhile is refused either way.',
        ),
      maxBytes: z
        .int()
        .min(1)
        .default(10 * GIB)
        .describe('The most that it may take on the disk.'),
      keepRollbacks: z
        .int()
        .min(1)
        .max(100)
        .default(2)
        .describe('For how many runs a copy is kept; older ones go after a good end.'),
    })
    .refine(given => (given.path === undefined) !== (given.volume === undefined), {
      message: 'give either path or volume',
    }),
)
type With = z.infer<ReturnType<typeof schema>>

export const filesSnapshot: StepKind<With, KeptState> = {
  uses: 'files.snapshot',
  summary:
    'Copies a folder with the state of a service, or a named volume. A rollback stops what uses it, puts the copy in its place and keeps the newer state beside it.',
  schema,
  outputs: { path: 'string', copy: 'string', bytes: 'int', entries: 'int', pausedMs: 'int' },
  timeoutMs: 10 * 60_000,
  plan: {
    effect: () => 'write',
    repeatable: () => true,
    locks: input => [lockOf(input)],
    // Stopping a service would change what the evidence is to show.
    touches: input => [RUNNING, lockOf(input)],
    commands: input => [
      { argv: [{ unknown: `copies ${printPlace(input)}${input.pause ? ', paused' : ''}` }] },
    ],
    undoCommands: input => [
      { argv: [{ unknown: `stops what uses ${printPlace(input)} and puts the copy in its place` }] },
    ],
  },
  act: {
    async snapshot(ctx, input) {
      const found = await findState(ctx, input)
      const problem = lackOfRoom(input, found)
      if (problem !== null) throw problem
      return keptAt(ctx, found)
    },
    run: copy,
  },
  undo: {
    restore: survivingEngine(restore),
    reactivate: survivingEngine(startAgain),
    verify,
    async rehearse(ctx, input, kept) {
      const found = await findCopy(ctx, input, kept)
      const missing = missingFrom(ctx, kept, found)
      if (missing !== null) return [{ text: `missing: ${kept.folder}`, seen: null, failure: missing.failure }]
      if (stageOf(found) !== 'whole') return []
      const text = `${printPlace(input)} of ${timeOf(found)} is kept: what was written since would be set aside`
      return [{ text, seen: null }]
    },
    async tidy(ctx, input, kept, takenBack) {
      const words = [`${input.keepRollbacks}`, takenBack ? 'back' : '']
      await doHere(ctx, input, kept, { script: TIDY, words })
    },
  },
  look: {
    async check(ctx, input) {
      const [state, users] = await inspect(ctx, input)
      const size = `${printBytes(state.usedBytes)} in ${state.entries} entries`
      const how = `${printBytes(state.freeBytes)} free${state.shares ? ', the copy shares its blocks' : ''}`
      const paused = input.pause ? namesOf(users.filter(isToPause)) : ''
      const text = `${printPlace(input)}: ${size} would be copied beside it (${how})${paused && `, with ${paused} paused`}`
      const seen = { real: state.real, paused }
      const problem = lackOfRoom(input, state)
      return [{ text, seen, ...(problem === null ? {} : { failure: problem.failure }) }]
    },
    async holds(ctx, input, _reached, kept) {
      const missing = kept && missingFrom(ctx, kept, await findCopy(ctx, input, kept))
      if (missing) throw missing
    },
  },
}

const lockOf = (input: With) => `files:${printPlace(input)}`

const inspect = async (ctx: StepContext, input: With): Promise<[StateFolder, Mounter[]]> => {
  const state = await findState(ctx, input)
  return [state, await mountersOf(ctx, state.real)]
}

const isToPause = ({ running, paused, writes }: Mounter) => running && !paused && writes
const namesOf = (all: readonly Mounter[]) => all.map(({ name }) => name).join(', ')
const idsOf = (all: readonly Mounter[]) => all.map(({ id }) => id)

/** The failure, where the copy would be larger than allowed, or than what is free. */
function lackOfRoom(input: With, { usedBytes, freeBytes, shares }: StateFolder): Failed | null {
  const size = printBytes(usedBytes)
  if (usedBytes > input.maxBytes)
    return unusable(input, 'too-large', `${size}, and maxBytes is ${printBytes(input.maxBytes)}`)
  if (shares || usedBytes + RESERVE_BYTES <= freeBytes) return null
  const detail = `a copy of ${printPlace(input)} takes ${size}, and ${printBytes(freeBytes)} are free there`
  return new Failed({ code: 'disk-full', detail })
}

/** Copies anew each time: a step that is resumed must keep what was written after its first copy. */
async function copy(ctx: StepContext, input: With, before: KeptState | null): Promise<StepResult> {
  const [state, users] = await inspect(ctx, input)
  if (before !== null && before.real !== state.real) throw unusable(input, 'elsewhere', state.real)
  const problem = lackOfRoom(input, state)
  if (problem !== null) throw problem
  const kept = before ?? keptAt(ctx, state)
  await unpause(ctx, input, await findCopy(ctx, input, kept))
  const ran = users.filter(each => each.running && each.holds)
  const paused = input.pause ? users.filter(isToPause) : []
  const words = [idsOf(ran).join(' '), ...idsOf(paused)]
  const done = await doHere(ctx, input, kept, { script: COPY, words })
  const pausedMs = paused.length === 0 ? 0 : Number(/^took (\d+)$/m.exec(done.stdout)?.[1] ?? 0)
  const { usedBytes: bytes, entries } = state
  const meanwhile = paused.length === 0 ? '' : `, ${namesOf(paused)} paused for ${pausedMs / 1000} s`
  ctx.say(`${printPlace(input)}: kept ${printBytes(bytes)} in ${entries} entries${meanwhile}`)
  return { changed: false, outputs: { path: kept.real, copy: kept.folder, bytes, entries, pausedMs } }
}

/** Nothing is put back where nothing that may have written it was touched. */
async function restore(ctx: StepContext, input: With, kept: KeptState): Promise<StepResult> {
  const found = await findCopy(ctx, input, kept)
  await unpause(ctx, input, found)
  await doHere(ctx, input, kept, { script: CLEAR })
  const missing = missingFrom(ctx, kept, found)
  if (missing !== null) throw missing
  const stage = stageOf(found)
  if (stage === 'back') return { changed: found.aside !== null, facts: factsOf(input, found) }
  if (stage === 'none' || (stage === 'whole' && !ctx.touchedSince)) return { changed: false }
  const users = (await mountersOf(ctx, kept.real)).filter(each => each.running && each.holds)
  if (users.length > 0) {
    ctx.say(`stopped, since its state is put back: ${namesOf(users)}`)
    await docker(ctx, '/', ['stop', ...idsOf(users)], { durable: true })
  }
  await doHere(ctx, input, kept, { script: SWAP, words: [ctx.runId] })
  const after = await findCopy(ctx, input, kept)
  ctx.say(`${printPlace(input)}: ${wordsOf(after)}`)
  return { changed: true, facts: factsOf(input, after) }
}

/** Starts the containers that were stopped for it and belong to no version that was rolled back. */
async function startAgain(ctx: StepContext, input: With, kept: KeptState | null): Promise<StepResult> {
  const found = kept && (await findCopy(ctx, input, kept))
  if (found === null || stageOf(found) !== 'back') return { changed: false }
  const users = await mountersOf(ctx, kept!.real)
  const stopped = users.filter(({ id, running }) => !running && found.ran.includes(id))
  if (stopped.length === 0) return { changed: false }
  await docker(ctx, '/', ['start', ...idsOf(stopped)], {})
  return { changed: true }
}

/** By the folder itself: the service that runs on it again has changed what is in it. */
async function verify(ctx: StepContext, input: With, kept: KeptState | null): Promise<StepResult> {
  if (kept === null) return { changed: false }
  const [found, { real, inode }] = await Promise.all([findCopy(ctx, input, kept), locateState(ctx, input)])
  const isBack = stageOf(found) === 'back'
  const ok = real === kept.real && inode === (isBack ? found.record?.inode : kept.inode)
  const saw = ok ? (isBack ? wordsOf(found) : 'left as it is') : 'another folder than before the run'
  ctx.saw({ what: 'files', target: printPlace(input), saw, ok })
  if (ok) return { changed: isBack }
  throw new Failed({ code: 'not-restored', step: ctx.stepId, problem: `${printPlace(input)} is ${saw}` })
}

/** The failure, where a copy was made and is neither kept nor back in its place. */
function missingFrom(ctx: StepContext, { folder }: KeptState, found: CopySeen): Failed | null {
  const wasMade = ctx.outputsOf('files.snapshot').some(({ copy }) => copy === folder)
  const stage = stageOf(found)
  if (stage !== 'gone' && (stage !== 'none' || !wasMade)) return null
  return new Failed({ code: 'rollback-set-missing', what: [`${folder}/files`] })
}

const timeOf = ({ record }: CopySeen) => new Date((record?.at ?? 0) * 1000).toISOString()
const minutesOf = (seconds: number) => Math.round(seconds / 6) / 10

const wordsOf = (found: CopySeen): string => {
  const back = `as kept at ${timeOf(found)}`
  if (found.aside === null) return back
  return `${back}; ${minutesOf(found.aside.seconds)} minutes of newer state are in ${found.aside.path}`
}

const factsOf = (input: With, { aside }: CopySeen): Facts =>
  aside === null
    ? {}
    : {
        stateSetAside: [{ path: printPlace(input), keptAs: aside.path, minutes: minutesOf(aside.seconds) }],
      }
