/** `exec --stream` and `exec --argv`: what the daemon has to announce first. */

import { connect } from '../link/client.ts'
import type { Link, LinkExecOptions, LinkFailure, Result } from '../link/link.ts'
import type { ExecAnswer } from '../messages.ts'
import { collision, outcomeOf, printExec } from './answer.ts'
import { failed } from './exec.ts'
import type { CliOutcome, InterruptSignal } from './exit-code.ts'
import type { Session } from './session.ts'
import { messageLines, withoutControls } from './wording.ts'

export async function runLive(session: Session, words: readonly string[]): Promise<CliOutcome> {
  const { io, settings, endpoint } = session
  const stop = new AbortController()
  let signal: InterruptSignal | null = null
  let leave = (_: CliOutcome) => {}
  const left = new Promise<CliOutcome>(resolve => {
    leave = resolve
  })
  const off = io.onSignal(received => {
    if (signal) leave({ kind: 'interrupted', signal: received })
    signal = received
    stop.abort()
  })
  const limits =
    settings.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: settings.connectTimeoutMs }
  const linked = await connect(endpoint, { ...limits, signal: stop.signal })
  const work = linked.ok ? runOn(linked.value, session, words, stop.signal) : Promise.resolve(linked)
  const ended = await Promise.race([work, left])
  off()
  if (linked.ok) linked.value.close()
  if ('kind' in ended) return ended
  if (!ended.ok && ended.failure.kind === 'cancelled')
    return signal
      ? interrupted(session, ended.failure, linked.ok ? linked.value.hello.node : '', signal)
      : gone()
  return ended.ok ? finish(session, ended.value) : failed(session, ended.failure, false)
}

/** Nobody reads our output any more: as quiet as any program that is cut off by \`head\`. */
const gone = (): CliOutcome => ({ kind: 'done' })

function runOn(
  link: Link,
  session: Session,
  words: readonly string[],
  signal: AbortSignal,
): Promise<Result<ExecAnswer>> {
  const { io, settings, endpoint } = session
  const unread = new AbortController()
  const command = settings.argv ? { argv: [...words] } : { command: words.join(' ') }
  const common = {
    ...command,
    ...(settings.cwd === undefined ? {} : { cwd: settings.cwd }),
    ...(Object.keys(settings.env).length === 0 ? {} : { env: settings.env }),
    signal: AbortSignal.any([signal, unread.signal]),
  }
  if (settings.detach) return submit(link, common, settings.timeoutMs)
  const timeoutMs = settings.timeoutMs ?? endpoint.timeoutMs
  return link.exec({
    ...common,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(settings.maxStdoutBytes === undefined ? {} : { maxStdoutBytes: settings.maxStdoutBytes }),
    ...(settings.maxStderrBytes === undefined ? {} : { maxStderrBytes: settings.maxStderrBytes }),
    outputToFile: settings.outputToFile,
    cancelOnDisconnect: true,
    ...(settings.stream
      ? {
          onOutput: async (stream: 'stdout' | 'stderr', data: Buffer) => {
            if (!(await io.write(stream, data))) unread.abort()
          },
        }
      : {}),
  })
}

async function submit(
  link: Link,
  options: LinkExecOptions,
  timeoutMs: number | undefined,
): Promise<Result<ExecAnswer>> {
  const submitted = await link.submitJob({ ...options, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
  return submitted.ok ? { ok: true, value: submitted.value.answer } : submitted
}

async function finish({ io, settings }: Session, answer: ExecAnswer): Promise<CliOutcome> {
  if (settings.json) {
    await io.write('stdout', `${JSON.stringify(answer)}\n`)
    return outcomeOf(answer)
  }
  const printed = printExec(answer)
  await io.write('stderr', printed.head + (settings.passthrough ? collision(answer) : ''))
  await io.write('stdout', printed.stdout)
  await io.write('stderr', printed.stderr)
  return outcomeOf(answer)
}

async function interrupted(
  { io }: Session,
  failure: LinkFailure & { kind: 'cancelled' },
  node: string,
  signal: InterruptSignal,
): Promise<CliOutcome> {
  const text = failure.confirmed
    ? `[${withoutControls(node)}] cancelled`
    : 'interrupted; the daemon did not confirm that the command was cancelled'
  await io.write('stderr', messageLines(text))
  return { kind: 'interrupted', signal }
}
