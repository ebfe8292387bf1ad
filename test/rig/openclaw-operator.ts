/** A person at an OpenClaw gateway: pairs nodes, sets their approvals, and decides about requests. Not hostops. */
import { randomUUID } from 'node:crypto'
import { type Device, signedBy } from '../../src/openclaw/device.ts'
import { openWebSocket } from '../../src/openclaw/websocket.ts'
import { poll } from './hostops.ts'

type Message = { type: string; id?: string; event?: string; ok?: boolean; payload?: unknown; error?: object }
export type Operator = Awaited<ReturnType<typeof operatorAt>>

const SCOPES = ['admin', 'read', 'write', 'approvals', 'pairing'].map(scope => `operator.${scope}`)

/** The caps of an operator who can be asked for an approval. */
const APPROVER = ['approvals', 'exec-approvals']
const CLIENT = { id: 'gateway-client', version: '1', platform: 'linux', mode: 'backend' }

type Person = {
  name: string
  /** Decides about requests, with a key pair that nobody else at the gateway has. Null: pairs and sets things only. */
  approverKey: Device | null
}

export async function operatorAt(
  url: string,
  token: string,
  { name, approverKey }: Person = { name: 'a person', approverKey: null },
) {
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
  const words = [CLIENT.id, CLIENT.mode, 'operator', SCOPES.join(',')]
  const hello = await request('connect', {
    ...{ minProtocol: 3, maxProtocol: 4, role: 'operator', scopes: SCOPES, auth: { token } },
    client: { ...CLIENT, displayName: name },
    ...(approverKey === null
      ? { caps: [] }
      : { caps: APPROVER, device: signedBy(approverKey, words, token, nonce!) }),
  })
  return {
    hello,
    request,
    /** Waits for an event of that name, also for one that has come already; each is given once. `id`: of its request. */
    async next<T>(event: string, id?: string): Promise<T> {
      const at = () =>
        events.findIndex(
          each => each.event === event && (id === undefined || (each.payload as { id?: string }).id === id),
        )
      await poll(() => at() >= 0)
      const [found] = events.splice(at(), 1)
      return found!.payload as T
    },
    seen: () => events.map(({ event }) => event),
    close: () => socket.close(),
  }
}
