/** The connections of one link: a shared one, more for live output, or one per request with daemons of old. */
import { fail, type Received } from './answers.ts'
import { type Channel, dial, type RequestBody, withSignal } from './channel.ts'
import type { ConnectOptions, Endpoint, LinkExecOptions, RequestOptions, Result } from './link.ts'

type Send = (
  body: RequestBody,
  options: RequestOptions & Pick<LinkExecOptions, 'onOutput'>,
  /** What becomes of the request when the signal fires; by default it is abandoned at once. */
  onAbort?: (channel: Channel) => void,
) => Promise<Result<Received>>

export type Pool = { send: Send; close(): void; isClosed(): boolean }

export function openPool(
  endpoint: Endpoint,
  first: Channel,
  keepAlive: boolean,
  dialing: Pick<ConnectOptions, 'connectTimeoutMs' | 'maxAnswerBytes'>,
): Pool {
  const idle: Channel[] = []
  const busy = new Set<Channel>()
  const envelope = keepAlive ? { keep_alive: true } : {}
  let shared = first
  let opening: Promise<Result<Channel>> | null = null
  let closed = false

  /** A daemon closes what is idle for long; nothing was in flight then, so connecting again is no repetition. */
  const sharedChannel = (): Promise<Result<Channel>> => {
    if (shared.isOpen()) return Promise.resolve({ ok: true, value: shared })
    opening ??= dial(endpoint, dialing).then(dialed => {
      opening = null
      if (dialed.ok) shared = dialed.value
      if (closed) shared.close()
      return dialed
    })
    return opening
  }
  const ownChannel = (): Promise<Result<Channel>> => {
    const channel = idle.pop()
    if (!channel) return dial(endpoint, dialing)
    return channel.isOpen() ? Promise.resolve({ ok: true, value: channel }) : ownChannel()
  }

  const release = (channel: Channel, isGood: boolean) => {
    busy.delete(channel)
    if (keepAlive && isGood && !closed) idle.push(channel)
    else channel.close()
  }

  const send: Send = async (body, options, onAbort) => {
    if (closed) return fail({ kind: 'lost', sent: false, reason: 'the link was closed' })
    // A command whose reader is slow must hold up nobody else: live output has a connection to itself.
    const own = !keepAlive || options.onOutput !== undefined
    const dialed = await (own ? ownChannel() : sharedChannel())
    if (!dialed.ok) return dialed
    const channel = dialed.value
    if (own) busy.add(channel)
    if (closed) channel.close()
    let isGood = false
    try {
      const result = await withSignal(channel, { ...body, ...envelope }, options, options.signal, onAbort)
      isGood = result.ok
      return result
    } finally {
      if (own) release(channel, isGood)
    }
  }

  return {
    send,
    isClosed: () => closed,
    close: () => {
      closed = true
      shared.close()
      for (const channel of [...idle, ...busy]) channel.close()
    },
  }
}
