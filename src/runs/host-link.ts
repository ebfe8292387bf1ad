/** The link to a host where runs live that outlive their clients: what is asked of it, and what a missing answer means. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Failed, type Failure } from '../failure.ts'
import type { RunAnswer } from '../hostlink/messages.ts'

export type HostLink = {
  /** As `--target` names it. */
  readonly target: string
  ask(action: string, fields: object, signal?: AbortSignal): Promise<Reply>
  close(): void
}

export type Reply = { ok: true; value: RunAnswer } | NoReply

export type NoReply = {
  ok: false
  failure: Failure
  /** There is no such thing at the host. */
  missing: boolean
  /** Asking again may help. */
  again: boolean
  /** The host would do it, but cannot at the moment. */
  unable: boolean
}

/** A host did not do what it was asked for. */
export class HostRefusal extends Failed {
  readonly reply: NoReply
  constructor(reply: NoReply) {
    super(reply.failure)
    this.reply = reply
  }
}

/** A daemon that is restarted is back by then. */
const PAUSES_MS = [100, 200, 400, 800, 1500, 3000, 5000, 5000, 5000, 5000, 5000, 10_000, 10_000, 10_000]

/** Asks again while the link comes and goes. Only for requests that may be repeated. */
export async function withRetries(
  ask: () => Promise<Reply>,
  signal?: AbortSignal,
  /** Called each time that there was no answer. */
  onSilence?: (failure: Failure) => void,
): Promise<Reply> {
  for (const pause of PAUSES_MS) {
    const reply = await ask()
    if (reply.ok || !reply.again || signal?.aborted) return reply
    onSilence?.(reply.failure)
    await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {})
  }
  return ask()
}

export function must(reply: Reply): RunAnswer {
  if (!reply.ok) throw new HostRefusal(reply)
  return reply.value
}

/** How a command names the host. */
export const atOf = ({ target }: { target?: string | undefined }): string =>
  target === undefined || target === 'local' ? '' : ` --target ${target}`

export const noReply = (failure: Failure, more: Partial<NoReply> = {}): NoReply => ({
  ...{ ok: false, failure, missing: false, again: false, unable: false },
  ...more,
})

/** What a daemon refused, as its answer says. */
export function refusal(target: string, status: string, message: string): NoReply {
  const failure: Failure =
    status === 'denied'
      ? { code: 'denied', target, rule: message }
      : { code: 'usage', what: 'refused-by', target, message }
  return noReply(failure, {
    missing: status === 'not_found',
    again: message.startsWith('server busy'),
    unable: status === 'error',
  })
}
