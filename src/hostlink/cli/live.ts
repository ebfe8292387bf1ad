/** `exec --stream` and `exec --argv`: what the daemon has to announce first. */

import { connect } from '../link/client.ts'
import type { JobOptions, Link, LinkFailure, Result } from '../link/link.ts'
import type { ExecAnswer } from '../messages.ts'
import { outcomeOf } from './answer.ts'
import { failed, printAnswer } from './exec.ts'
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
  const { connectTimeoutMs } = settings
  const linked = await connect(endpoint, { connectTimeoutMs, signal: stop.signal })
  const work = linked.ok ? runOn(linked.value, session, words, stop.signal) : Promise.resolve(linked)
  const ended = await Promise.race([work, left])
  off()
  if (linked.ok) linked.value.close()
  if ('kind' in ended) return ended
  if (!ended.ok && ended.failure.kind === 'cancelled')
    return signal
      ? interrupted(session, ended.failure, linked.ok ? linked.value.hello.node : '', signal)
      : gone()
  if (!ended.ok) return failed(session, ended.failure, false)
  if (settings.json) await io.write('stdout', `${JSON.stringify(ended.value)}\n`)
  else await printAnswer(session, ended.value)
  return outcomeOf(ended.value)
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
  const take = async (stream: 'stdout' | 'stderr', data: Buffer) => {
    if (!(await io.write(stream, data))) unread.abort()
  }
  const command = settings.argv ? { argv: [...words] } : { command: words.join(' ') }
  const common = {
    ...command,
    cwd: settings.cwd,
    env: Object.keys(settings.env).length === 0 ? undefined : settings.env,
    signal: AbortSignal.any([signal, unread.signal]),
  }
  if (settings.detach) return submit(link, { ...common, timeoutMs: settings.timeoutMs })
  return link.exec({
    ...common,
    timeoutMs: settings.timeoutMs ?? endpoint.timeoutMs,
    maxStdoutBytes: settings.maxStdoutBytes,
    maxStderrBytes: settings.maxStderrBytes,
    outputToFile: settings.outputToFile,
    cancelOnDisconnect: true,
    onOutput: settings.stream ? take : undefined,
  })
}

async function submit(link: Link, options: JobOptions): Promise<Result<ExecAnswer>> {
  const submitted = await link.submitJob(options)
  return submitted.ok ? { ok: true, value: submitted.value.answer } : submitted
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
