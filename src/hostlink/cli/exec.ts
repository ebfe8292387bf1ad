/** `exec` and `ping` the way every daemon understands them: one connection, one request, one answer. */
import { type Received, settleExec, settlePing } from '../link/answers.ts'
import type { RequestBody } from '../link/channel.ts'
import type { LinkFailure, Result } from '../link/link.ts'
import { requestOnce } from '../link/once.ts'
import { execBody, jobBody, pingBody, requestIds } from '../link/requests.ts'
import type { ExecAnswer } from '../messages.ts'
import { collision, compactJson, outcomeOf, printExec } from './answer.ts'
import type { CliOutcome } from './exit-code.ts'
import type { ClientIo } from './io.ts'
import type { Session } from './session.ts'
import { withoutControls, wordFailure } from './wording.ts'

/** Added to the command's own limit; without one the daemon's default counts, which is 30 s unless set otherwise. */
const GRACE_MS = 15_000
const UNLIMITED_ANSWER_MS = 600_000
const SHORT_ANSWER_MS = 30_000

export async function runPing(session: Session): Promise<CliOutcome> {
  const { io, settings, endpoint } = session
  const limits = { connectTimeoutMs: settings.connectTimeoutMs, answerTimeoutMs: SHORT_ANSWER_MS }
  const result = await requestOnce(endpoint, pingBody(requestIds()()), limits)
  if (result.ok && settings.json) await printJson(io, result.value)
  const ping = result.ok ? settlePing(result.value) : result
  if (!ping.ok) return failed(session, ping.failure, result.ok)
  if (!settings.json)
    await io.write('stdout', `[${withoutControls(ping.value.node)}] pong - uptime ${ping.value.uptime_s}s\n`)
  return { kind: 'done' }
}

export async function runExec(session: Session, words: readonly string[]): Promise<CliOutcome> {
  const { settings, endpoint } = session
  const body = commandBody(session, words)
  const limit = settings.timeoutMs || endpoint.timeoutMs
  const answerTimeoutMs = settings.detach ? SHORT_ANSWER_MS : limit ? limit + GRACE_MS : UNLIMITED_ANSWER_MS
  const work = requestOnce(endpoint, body, { connectTimeoutMs: settings.connectTimeoutMs, answerTimeoutMs })
  const result = await interruptible(session, body.id, work)
  return 'kind' in result ? result : finish(session, result)
}

/** A target's own limit is for waiting; it must not end a job, which runs for hours. */
function commandBody({ settings, endpoint }: Session, words: readonly string[]): RequestBody {
  const id = requestIds()()
  const command = words.join(' ')
  const env = Object.keys(settings.env).length > 0 ? settings.env : undefined
  if (settings.detach) return jobBody(id, { command, cwd: settings.cwd, env, timeoutMs: settings.timeoutMs })
  return execBody(id, {
    ...settings,
    command,
    argv: undefined,
    env,
    timeoutMs: settings.timeoutMs ?? endpoint.timeoutMs,
  })
}

async function finish(session: Session, result: Result<Received>): Promise<CliOutcome> {
  const { io, settings } = session
  if (result.ok && settings.json) await printJson(io, result.value)
  const exec = result.ok ? settleExec(result.value) : result
  if (!exec.ok) return failed(session, exec.failure, result.ok)
  if (!settings.json) await printAnswer(session, exec.value)
  return outcomeOf(exec.value)
}

export async function printAnswer({ io, settings }: Session, answer: ExecAnswer): Promise<void> {
  const printed = printExec(answer)
  await io.write('stderr', printed.head + (settings.passthrough ? collision(answer) : ''))
  await io.write('stdout', printed.stdout)
  await io.write('stderr', printed.stderr)
}

/** With -j a failure that the daemon itself told is in the JSON; every other one is said in words. */
export async function failed(session: Session, failure: LinkFailure, answered: boolean): Promise<CliOutcome> {
  if (!(answered && session.settings.json))
    await session.io.write('stderr', wordFailure(failure, session.endpoint))
  return { kind: 'failure', failure }
}

const printJson = (io: ClientIo, received: Received) => io.write('stdout', `${compactJson(received.text)}\n`)

/** The first signal cancels the command there; a second one leaves at once. */
function interruptible(
  session: Session,
  id: string,
  work: Promise<Result<Received>>,
): Promise<Result<Received> | CliOutcome> {
  return new Promise((resolve, reject) => {
    let signals = 0
    const settle = (end: Result<Received> | CliOutcome) => {
      off()
      resolve(end)
    }
    const off = session.io.onSignal(signal => {
      signals += 1
      if (signals > 1) return settle({ kind: 'interrupted', signal })
      import('./interrupt.ts')
        .then(({ interrupt }) => interrupt(session, id, work))
        .then(() => settle({ kind: 'interrupted', signal }), reject)
    })
    work.then(result => {
      if (signals === 0) settle(result)
    }, reject)
  })
}
