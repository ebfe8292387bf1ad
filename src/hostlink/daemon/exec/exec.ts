/** `exec` and `cancelExecution`: from a checked request to a run, and from its end to the answer. */
import { createHash } from 'node:crypto'
import type { Jobs } from '../../../jobs/jobs.ts'
import { MAX_STREAM_ID_BYTES } from '../../frame.ts'
import { type CancelRequest, cancelRequest, type ExecRequest, execRequest } from '../../messages.ts'
import type { Config } from '../config/config.ts'
import { type Body, badRequest, failure } from '../peers/answer.ts'
import type { Connection } from '../peers/connection.ts'
import { checkFields } from '../peers/fields.ts'
import type { Request } from '../peers/request.ts'
import { placesFor } from '../policy/places.ts'
import type { Asked, Token, Verdict } from '../policy/policy.ts'
import type { Judgement } from '../policy/rule.ts'
import { commandFor } from './command.ts'
import { endBody } from './exec-answer.ts'
import type { Execution, Executions } from './executions.ts'
import { jobOwner, jobStart } from './job-start.ts'
import { type Limits, limitsOf } from './limits.ts'

export type Asker = { readonly request: Request; readonly connection: Connection; readonly token: Token }
export type ExecSurroundings = {
  readonly config: () => Config
  readonly runs: Executions
  readonly jobs: Jobs
  readonly decide: (token: Token, asked: Asked) => Verdict
  readonly hostEnv: NodeJS.ProcessEnv
}

const BUSY = 'server busy, max concurrent commands reached'
const UNKNOWN_KEY = 'no command of this key'
/** One environment variable holds at most 128 KiB with its name, and that is how the shell gets it. */
const MAX_COMMAND_BYTES = 131_008
/** What a keyed command keeps of each stream for those that attach later. */
const KEPT_FOR_LATER = 1024 * 1024

export async function exec(asker: Asker, around: ExecSurroundings): Promise<Body> {
  const { request, token } = asker
  const { detach, attach_only: attachOnly } = request.fields
  const needsNoSlot = detach === true || attachOnly === true || findKeyed(asker, around) !== undefined
  const { maxConcurrent, maxJobs } = around.config()
  if (!needsNoSlot && around.runs.active >= placesFor(token, maxConcurrent)) return failure(BUSY)

  const checked = checkFields(execRequest, request.fields)
  const wrong = 'wrong' in checked ? checked.wrong : unfit(checked.value, request.id)
  if ('wrong' in checked || wrong !== null) return badRequest(wrong ?? 'invalid')
  const verdict = around.decide(token, { type: 'exec', request: checked.value })
  if (!verdict.allowed) return { status: 'denied', error_msg: verdict.rule }
  const { judgement = {} } = verdict
  const wanted = { ...checked.value, ...asJudged(judgement) }
  const most = { ofAll: placesFor(token, maxJobs) }
  if (wanted.detach) {
    const job = jobStart(wanted, around.config(), around.hostEnv, judgement)
    return around.jobs.start(job, jobOwner(token), most)
  }

  const limits = limitsOf(wanted, around.config())
  const known = wanted.key === undefined ? undefined : around.runs.byKey(token.name, wanted.key)
  if (known && known.options.identity !== identityOf(wanted)) {
    return badRequest('key was used for another command')
  }
  if (known === undefined && wanted.attach_only) return { status: 'not_found', error_msg: UNKNOWN_KEY }
  const run = known ?? startRun(asker, wanted, limits, judgement, around)
  const leave = join(run, asker, wanted, around.config())
  const end = await run.ended.finally(leave)
  return endBody(run, end, {
    limits,
    id: request.id,
    isStream: wanted.stream === true,
    isAttached: known !== undefined,
  })
}

export function cancelExecution({ request, token }: Asker, around: ExecSurroundings): Body {
  const checked = checkFields(cancelRequest, request.fields)
  if ('wrong' in checked) return badRequest(checked.wrong)
  const signal = signalOf(checked.value)
  if (signal === null) return badRequest('signal: is none of TERM, KILL, INT')
  const verdict = around.decide(token, { type: 'cancel' })
  if (!verdict.allowed) return { status: 'denied', error_msg: verdict.rule }
  const { target_id: id, key } = checked.value
  const keyed = key === undefined ? undefined : around.runs.byKey(token.name, key)
  const found =
    id === undefined ? (keyed && keyed.endedAt === null ? [keyed] : []) : around.runs.byId(token.name, id)
  for (const run of found) run.terminate('cancelled', signal)
  return { status: 'ok', cancelled: found.length > 0 }
}

function signalOf({ signal = 'TERM' }: CancelRequest): NodeJS.Signals | null {
  const name = signal.replace(/^SIG/, '')
  return name === 'TERM' || name === 'KILL' || name === 'INT' ? `SIG${name}` : null
}

function findKeyed({ request, token }: Asker, { runs }: ExecSurroundings): Execution | undefined {
  const { key } = request.fields
  return typeof key === 'string' ? runs.byKey(token.name, key) : undefined
}

/** What the schema cannot say. */
function unfit(wanted: ExecRequest, id: string): string | null {
  if (wanted.stream && Buffer.byteLength(id) > MAX_STREAM_ID_BYTES) {
    return `id: is longer than ${MAX_STREAM_ID_BYTES} bytes`
  }
  if (wanted.command !== undefined && Buffer.byteLength(wanted.command) > MAX_COMMAND_BYTES) {
    return `command: is longer than ${MAX_COMMAND_BYTES} bytes`
  }
  return null
}

const asJudged = ({ argv, workdir }: Judgement): Partial<ExecRequest> => ({
  ...(argv === undefined ? {} : { argv: [...argv] }),
  ...(workdir === undefined ? {} : { workdir }),
})

function startRun(
  { request, token }: Asker,
  wanted: ExecRequest,
  limits: Limits,
  judgement: Judgement,
  { config, runs, hostEnv }: ExecSurroundings,
): Execution {
  const { file, argv0, args, env } = commandFor(wanted, config(), hostEnv, judgement.file)
  const keepsText = !wanted.stream && !wanted.output_to_file
  return runs.start({
    process: {
      argv: [argv0, ...args],
      file,
      env,
      cwd: wanted.workdir,
      cwdIs: judgement.workdirIs,
      timeoutMs: limits.timeoutMs,
    },
    owner: token.name,
    key: wanted.key,
    identity: wanted.key === undefined ? null : identityOf(wanted),
    keepFirst: {
      stdout: keepsText ? limits.stdoutBytes : 0,
      stderr: keepsText ? limits.stderrBytes : 0,
    },
    keepLast: wanted.key === undefined ? 0 : KEPT_FOR_LATER,
    files: wanted.output_to_file ? { folder: config().outputTmpdir, id: request.id } : null,
  })
}

/** Makes the asker one of those who await the run: it gets the output, and its departure may end the run. */
function join(
  run: Execution,
  { request, connection }: Asker,
  wanted: ExecRequest,
  config: Config,
): () => void {
  const undo: (() => void)[] = []
  if (wanted.stream) {
    for (const stream of ['stdout', 'stderr'] as const) {
      const output = run.output[stream]
      const earlier = output.tail()
      if (earlier.length > 0) connection.sendOutput(request.id, stream, earlier)
      const listener = (chunk: Buffer) => connection.sendOutput(request.id, stream, chunk)
      output.listeners.add(listener)
      undo.push(() => output.listeners.delete(listener))
    }
  }
  const endsWithClient = wanted.cancel_on_disconnect ?? config.cancelOnDisconnect
  run.ids.add(request.id)
  run.audience += 1
  run.outlivesAudience ||= !endsWithClient
  const leave = () => {
    for (const act of undo.splice(0)) act()
    run.audience -= 1
    if (run.audience === 0 && !run.outlivesAudience) run.terminate('cancelled')
  }
  const unwatch = connection.watch(wanted.cancel_on_disconnect === true ? 'ended' : 'gone', leave)
  return () => {
    unwatch()
    run.ids.delete(request.id)
  }
}

/** A key stands for a command and everything that decides what it does. */
function identityOf({ command, argv, workdir, env }: ExecRequest): string {
  const variables = Object.entries(env ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const parts = JSON.stringify([command ?? null, argv ?? null, workdir ?? null, variables])
  return createHash('sha256').update(parts).digest('base64')
}
