/** A person at an OpenClaw gateway: pairs nodes, sets their approvals, and decides about requests. Not hostops. */
import { randomUUID } from 'node:crypto'
import { openWebSocket } from '../../src/openclaw/websocket.ts'
import { poll } from './hostops.ts'

type Message = { type: string; id?: string; event?: string; ok?: boolean; payload?: unknown; error?: object }
export type Operator = Awaited<ReturnType<typeof operatorAt>>

const SCOPES = ['admin', 'read', 'write', 'approvals', 'pairing'].map(scope => `operator.${scope}`)

/** `caps`: what it can be asked; an approver needs `approvals` and `exec-approvals`. */
export async function operatorAt(url: string, token: string, caps: readonly string[] = []) {
  const events: { event: string; payload: unknown }[] = []
  const waiting = new Map<string, (message: Message) => void>()
  let nonce: string | null = null
  const dialed = await openWebSocket(
    new URL(url),
    {
      onText(text) {
        const message = JSON.parse(text) as Message
        if (message.event === 'connect.challenge') nonce = (message.payload as { nonce: string }).nonce
        if (message.event !== undefined) events.push({ event: message.event, payload: message.payload })
        else waiting.get(message.id ?? '')?.(message)
      },
      onClose: reason => {
        for (const give of waiting.values()) give({ type: 'res', ok: false, error: { message: reason } })
      },
    },
    AbortSignal.timeout(20_000),
  )
  if (!dialed.ok) throw new Error(dialed.reason)
  const { socket } = dialed
  const request = async <T = Record<string, unknown>>(method: string, params: object = {}): Promise<T> => {
    const id = randomUUID()
    const answer = new Promise<Message>(resolve => waiting.set(id, resolve))
    socket.send(JSON.stringify({ type: 'req', id, method, params }))
    const { ok, payload, error } = await answer
    waiting.delete(id)
    if (!ok) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return payload as T
  }
  await poll(() => nonce !== null)
  const hello = await request('connect', {
    ...{ minProtocol: 3, maxProtocol: 4, role: 'operator', scopes: SCOPES, caps, auth: { token } },
    client: {
      id: 'gateway-client',
      displayName: 'a person',
      version: '1',
      platform: 'linux',
      mode: 'backend',
    },
  })
  return {
    hello,
    request,
    /** Waits for an event of that name, also for one that has come already; each is given once. */
    async next<T>(event: string): Promise<T> {
      await poll(() => events.some(each => each.event === event))
      const [found] = events.splice(
        events.findIndex(each => each.event === event),
        1,
      )
      return found!.payload as T
    },
    seen: () => events.map(({ event }) => event),
    close: () => socket.close(),
  }
}
