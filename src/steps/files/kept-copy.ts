/** The copy of a state folder as it is on the target, and how far it was put back. */
import { createHash } from 'node:crypto'
import { Failed, type FilesProblem } from '../../failure.ts'
import { commandFailed } from '../command/run-command.ts'
import { docker } from '../compose/compose.ts'
import { composeFailed } from '../compose/compose-error.ts'
import { diskFull } from '../contract/disk-full.ts'
import { lines } from '../contract/plain-text.ts'
import type { CommandRequest, Done, StepContext } from '../contract/step.ts'
import { LOOKING } from '../stack/commands.ts'
import { FOLDER_NAME, READ } from './snapshot-scripts.ts'
import { answersIn, type StateFolder, type StatePlace, unusable } from './state-folder.ts'

/** As it is journalled: `inode` is that of the state before the run. */
export type KeptState = { real: string; inode: string; folder: string }

/** As it is found; times in seconds, by the clock of the target. */
export type CopySeen = {
  now: number
  /** The inode of what has the real name; null where nothing has. */
  there: string | null
  /** By a copy whose end nobody saw. */
  paused: string[]
  ran: string[]
  record: { inode: string; at: number } | null
  hasFiles: boolean
  aside: { seconds: number; path: string } | null
}

export const keptAt = (ctx: StepContext, { real, inode }: Pick<StateFolder, 'real' | 'inode'>): KeptState => {
  const [key, part] = [real, ctx.stepId].map(text =>
    createHash('sha256').update(text).digest('hex').slice(0, 8),
  )
  const parent = real.slice(0, real.lastIndexOf('/'))
  return { real, inode, folder: `${parent}/${FOLDER_NAME}/${key}-${ctx.runId}-${part}` }
}

/** `half`: the newer folder was moved away, or was about to be. `gone`: the copy is, and not back in its place. */
type Stage = 'none' | 'whole' | 'half' | 'back' | 'gone'

/** Pure. */
export function stageOf({ record, hasFiles, aside, there }: Omit<CopySeen, 'now' | 'paused' | 'ran'>): Stage {
  if (record === null) return 'none'
  if (hasFiles) return aside === null ? 'whole' : 'half'
  return there === record.inode ? 'back' : 'gone'
}

export async function findCopy(ctx: StepContext, place: StatePlace, kept: KeptState): Promise<CopySeen> {
  const { stdout } = await doHere(ctx, place, kept, { script: READ, how: LOOKING })
  const answers = answersIn(stdout)
  const said = (key: string) => answers(key)[0] ?? ''
  const [inode, , at] = said('record').split(' ')
  const [, seconds, path] = /^(\d+) (.*)$/.exec(said('aside')) ?? []
  return {
    now: Number(said('now')),
    there: said('there') || null,
    paused: said('paused').split(' ').filter(Boolean),
    ran: said('ran').split(' ').filter(Boolean),
    record: inode && at ? { inode, at: Number(at) } : null,
    hasFiles: said('files') !== '',
    aside: path === undefined ? null : { seconds: Number(seconds), path },
  }
}

/** A copy that was killed together with all that would have ended its pause. */
export async function unpause(ctx: StepContext, place: StatePlace, { paused }: CopySeen): Promise<void> {
  if (paused.length === 0) return
  await ctx.exec({ argv: ['docker', 'unpause', ...paused], repeatable: true, quiet: true })
  const args = ['ps', '-q', '--no-trunc', '--filter', 'status=paused']
  const left = lines((await docker(ctx, '/', args, LOOKING)).stdout)
  if (left.some(id => paused.includes(id))) throw unusable(place, 'paused')
  ctx.say(`unpaused what a copy that was cut off had left: ${paused.length} containers`)
}

/** One of the scripts, in the folder of the copy. */
export async function doHere(
  ctx: StepContext,
  place: StatePlace,
  { real, folder }: KeptState,
  run: { script: string; words?: readonly string[]; how?: Partial<CommandRequest> },
): Promise<Done> {
  const argv = ['sh', '-c', run.script, 'hostops-snapshot', real, folder, ...(run.words ?? [])]
  const done = await ctx.exec({ argv, quiet: true, ...run.how })
  if (done.code === 0) return done
  const [, why, detail = ''] = /^problem (\S+) ?(.*)$/m.exec(done.stdout) ?? []
  if (why === 'moved') throw new Failed({ code: 'files-changed', path: real })
  if (why !== undefined) throw unusable(place, why as FilesProblem, detail)
  if (done.code === NOT_PAUSED) throw composeFailed('/', 'pause', done)
  throw diskFull(done.stderr, ctx.redact) ?? commandFailed(['cp', '-a', real, folder], done)
}

const NOT_PAUSED = 7
