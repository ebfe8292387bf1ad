/** Running commands over a link: started once, cancelled where they run, attached to again where a key allows it. */

import type { ExecAnswer, PingAnswer } from '../messages.ts'
import { fail, settleExec, settleFlag, settlePing } from './answers.ts'
import type { Channel } from './channel.ts'
import type { LinkContext } from './context.ts'
import type { Link, LinkExecOptions, LinkFailure, Result } from './link.ts'
import { cancelBody, execBody, pingBody } from './requests.ts'

/** What a daemon may need beyond a command's own limit: TERM, two seconds, KILL, and a slow machine. */
const ANSWER_GRACE_MS = 15_000
const CANCEL_GRACE_MS = 10_000
/** Waits between attempts to reach the daemon again. */
const RETURN_MS = [0, 100, 400, 1500]

export function execOver(context: LinkContext): Pick<Link, 'exec' | 'cancel'> {
  const cancel: Link['cancel'] = async (what, options) => {
    const missing = context.lacking('cancel')
    if (missing) return fail(missing)
    const body = cancelBody(context.nextId(), what)
    const result = await context.ask(body, options, got => settleFlag(got, 'cancelled'))
    return result.ok ? { ok: true, value: result.value['cancelled'] === true } : result
  }
  const exec: Link['exec'] = async options => {
    const missing = lackingFor(options, context)
    if (missing) return fail(missing)
    let result = await execOnce(options, context, cancel)
    for (let left = options.key === undefined ? 0 : (options.reattach ?? 0); left > 0; left--) {
      if (result.ok || result.failure.kind !== 'lost' || !(await sameDaemon(context))) break
      options.onReattach?.()
      result = await execOnce(options, context, cancel)
    }
    return result
  }
  return { exec, cancel }
}

const lackingFor = (options: LinkExecOptions, { lacking }: LinkContext): LinkFailure | null =>
  lacking(
    options.argv !== undefined && 'argv',
    options.onOutput !== undefined && 'stream',
    options.key !== undefined && 'key',
    options.attachOnly === true && 'attach',
  )

async function execOnce(
  options: LinkExecOptions,
  context: LinkContext,
  cancel: Link['cancel'],
): Promise<Result<ExecAnswer>> {
  const id = context.nextId()
  const canCancel = context.features.has('cancel')
  const { cancelOnDisconnect, ...rest } = options
  const body = execBody(id, canCancel ? { ...rest, cancelOnDisconnect } : rest)
  const answerTimeoutMs = options.answerTimeoutMs ?? answerLimit(options.timeoutMs, context.hello)
  let grace: NodeJS.Timeout | undefined
  const onAbort = (channel: Channel) => {
    const unconfirmed = () => channel.abandon(id, { kind: 'cancelled', confirmed: false })
    if (!canCancel) return unconfirmed()
    grace = setTimeout(unconfirmed, CANCEL_GRACE_MS)
    cancel({ id }).then(sent => sent.ok || unconfirmed())
  }
  const result = await context.pool.send(body, { ...options, answerTimeoutMs }, onAbort)
  clearTimeout(grace)
  return result.ok ? settleExec(result.value) : result
}

/** A key keeps its promise only as long as the daemon that saw it lives: a younger one would start anew. */
async function sameDaemon(context: LinkContext): Promise<boolean> {
  for (const wait of RETURN_MS) {
    await new Promise(resolve => setTimeout(resolve, wait))
    const again = await context.ask(pingBody(context.nextId()), undefined, settlePing)
    if (again.ok) return startOf(again.value) - context.startedAt < 1500
    if (context.pool.isClosed()) return false
  }
  return false
}

/** On this process's own clock, so that setting the machine's does not matter. */
export const startOf = (hello: PingAnswer): number => performance.now() - hello.uptime_s * 1000

function answerLimit(timeoutMs: number | undefined, hello: PingAnswer): number | undefined {
  const limit = timeoutMs !== undefined && timeoutMs > 0 ? timeoutMs : hello.max_timeout_ms
  return limit === undefined ? undefined : limit + ANSWER_GRACE_MS
}
