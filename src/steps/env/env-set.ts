import * as z from 'zod'
import { type EnvFileProblem, Failed } from '../../failure.ts'
import { fileField, stackLock } from '../compose/compose.ts'
import { folderWords } from '../compose/rollback-folder.ts'
import { once } from '../contract/once.ts'
import { absolutePath, canonicalPath } from '../contract/schema-fields.ts'
import type { CommandRequest, Done, StepContext, StepKind } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { inFolder } from '../stack/paths.ts'
import { ENV_FILE } from './env-file-script.ts'
import { quoteEnvValue } from './quote-value.ts'

const schema = once(() =>
  z.strictObject({
    dir: absolutePath().describe('The folder of the stack, an absolute path on the target.'),
    project: z.string().optional().describe('As for the steps of the stack.'),
    file: fileField().default('.env').describe('The env file, absolute or relative to dir. It must exist.'),
    set: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of a variable'),
        z.string().regex(/^[^\u0000]*$/, 'no NUL byte can be passed to a program'),
      )
      .refine(keys => Object.keys(keys).length > 0, 'at least one KEY: value')
      .describe('Keys and their values, unquoted. A key that is not there yet is added at the end.'),
  }),
)
type With = z.infer<ReturnType<typeof schema>>

/** The folder on the target that holds the file as it was, and as this run has written it. */
type Snapshot = { folder: string }
/** `same`: it had that value before. */
type State = 'before' | 'written' | 'same' | 'other'

const KEPT_RUNS = 100

/** Other lines, comments, order, mode, owner and line ends stay. Values are printed nowhere. */
export const envSet: StepKind<With, Snapshot> = {
  uses: 'env.set',
  summary: 'Sets keys in an env file and changes nothing else in it; a rollback puts their lines back.',
  schema,
  outputs: { changed: 'bool', keys: 'list' },
  timeoutMs: 60_000,
  plan: {
    effect: () => 'write',
    repeatable: () => true,
    locks: input => [stackLock(input)],
    commands: input => [{ argv: [{ unknown: `sets ${keysOf(input).join(', ')} in ${pathOf(input)}` }] }],
    undoCommands: input => [
      { argv: [{ unknown: `puts ${keysOf(input).join(', ')} back in ${pathOf(input)}` }] },
    ],
  },
  act: {
    async snapshot(ctx, input) {
      const words = folderWords(ctx, input, pathOf(input))
      const done = await exec(ctx, input, ['keep', pathOf(input), ...words], LOOKING)
      return { folder: done.stdout.trim() }
    },
    async run(ctx, input, before) {
      const folder = before?.folder ?? (await envSet.act.snapshot!(ctx, input)).folder
      const done = await script(ctx, input, 'set', { folder, values: true, how: { quiet: true } })
      const states = statesIn(done)
      const keys = keysOf(input).filter(key => states.get(key) === 'other')
      await look(ctx, input, folder, 'written')
      return { changed: keys.length > 0, outputs: { changed: keys.length > 0, keys } }
    },
  },
  undo: {
    /** What somebody else has made of a key since is theirs. */
    async restore(ctx, input, { folder }) {
      const states = statesIn(await script(ctx, input, 'restore', { folder, how: { quiet: true } }))
      const keys = keysOf(input).filter(key => states.get(key) === 'other')
      if (keys.length > 0) throw new Failed({ code: 'env-keys-differ', path: pathOf(input), keys })
      return { changed: keysOf(input).some(key => states.get(key) === 'written') }
    },
    async verify(ctx, input, before) {
      if (before !== null) await look(ctx, input, before.folder, 'before')
      return { changed: false }
    },
    async rehearse(ctx, _input, { folder }) {
      const copy = `${folder}/before`
      if ((await ctx.exec({ argv: ['test', '-r', copy], ...LOOKING })).code === 0)
        return [{ text: 'the env file as it was is kept', seen: null }]
      const failure = { code: 'rollback-set-missing' as const, what: [copy] }
      return [{ text: `missing: ${copy}`, seen: null, failure }]
    },
    /** <base>/<stack>/<run>/<part>: the copies of older runs go. `dir` beside them names the stack's folder. */
    async tidy(ctx, _input, { folder }) {
      const parts = folder.split('/')
      const [part = '', own] = [parts.at(-1), parts.at(-2)]
      const stack = parts.slice(0, -2).join('/')
      const listed = await ctx.exec({ argv: ['ls', '-1t', stack], ...LOOKING })
      const names = listed.stdout.split('\n').filter(name => /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name))
      const runs = names.filter(name => name !== 'dir')
      for (const run of runs.slice(KEPT_RUNS)) {
        if (run === own) continue
        await ctx.exec({ argv: ['rm', '-rf', '--', `${stack}/${run}/${part}`], quiet: true })
      }
    },
  },
  look: {
    async check(ctx, input) {
      const done = await script(ctx, input, 'wanted', { folder: '-', values: true, how: LOOKING })
      const states = statesIn(done)
      const texts = keysOf(input).map(key =>
        states.get(key) === 'written' ? `${key} is set to that already` : `${key} would be set`,
      )
      const seen = { file: pathOf(input), keys: Object.fromEntries(states) }
      return [{ text: `${pathOf(input)}: ${texts.join(', ')}`, seen }]
    },
    async holds(ctx, input, _reached, before) {
      if (before !== null) await look(ctx, input, before.folder, 'written')
    },
  },
}

const pathOf = ({ dir, file }: With) => inFolder(canonicalPath(dir), file)
const keysOf = ({ set }: With) => Object.keys(set)

/** Throws where a key is not what it is to be. */
async function look(ctx: StepContext, input: With, folder: string, wanted: State): Promise<void> {
  const states = statesIn(await script(ctx, input, 'look', { folder, how: LOOKING }))
  const keys = keysOf(input).filter(key => ![wanted, 'same'].includes(states.get(key) ?? 'other'))
  const ok = keys.length === 0
  const good = wanted === 'before' ? 'as before' : 'set'
  const saw = ok ? `${keysOf(input).join(', ')} ${good}` : `${keys.join(', ')} not ${good}`
  ctx.saw({ what: 'files', target: pathOf(input), saw, ok })
  if (!ok) throw new Failed({ code: 'env-keys-differ', path: pathOf(input), keys })
}

type Options = { folder: string; values?: boolean; how: Partial<CommandRequest> }

/** Values go through the environment: arguments are for everybody on the host to see. */
const script = (ctx: StepContext, input: With, verb: string, { folder, values, how }: Options) => {
  const quoted = Object.values(input.set).map(quoteEnvValue)
  const env = Object.fromEntries(quoted.map((value, at) => [`HOSTOPS_VALUE_${at + 1}`, value]))
  const words = [verb, pathOf(input), folder, ...keysOf(input)]
  return exec(ctx, input, words, values ? { ...how, env } : how)
}

async function exec(
  ctx: StepContext,
  input: With,
  words: readonly string[],
  how: Partial<CommandRequest>,
): Promise<Done> {
  const path = pathOf(input)
  if (!ctx.hasShell) throw new Failed({ code: 'env-file-unusable', path, why: 'no-shell' })
  const done = await ctx.exec({ argv: ['sh', '-c', ENV_FILE, 'hostops-env', ...words], ...how })
  if (done.code === 0) return done
  const why = /^unusable (\S+)$/m.exec(done.stdout)?.[1]
  if (why !== undefined) throw new Failed({ code: 'env-file-unusable', path, why: why as EnvFileProblem })
  const place = 'hostops/rollback on the target'
  throw new Failed({ code: 'state-unwritable', path: place, problem: done.stderr.trim() })
}

const statesIn = ({ stdout }: Done): Map<string, State> =>
  new Map(
    stdout.split('\n').flatMap(line => {
      const [, key, state] = /^(\S+) (before|written|same|other)$/.exec(line) ?? []
      return key === undefined ? [] : [[key, state as State] as const]
    }),
  )
