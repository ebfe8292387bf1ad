/** The wire of an OpenClaw gateway: requests and their answers on one WebSocket. Protocols 3 (2026.4) and 4 (2026.9). */
import * as z from 'zod'
import { VERSION } from '../build/version.ts'
import { parseJson } from '../document/json.ts'
import { SYSTEM_NAME } from '../process/platform.ts'
import { withLimit } from '../process/with-limit.ts'
import { once } from '../steps/contract/once.ts'
import { type Device, signedBy } from './device.ts'
import { openWebSocket } from './websocket.ts'

export type Gateway = {
  request(method: string, params: object, options: RequestOptions): Promise<GatewayAnswer>
  isOpen(): boolean
  close(): void
}

/** `timeoutMs`: how long this side waits. */
type RequestOptions = { timeoutMs: number; signal?: AbortSignal | undefined }

export type GatewayAnswer = { kind: 'answer'; payload: unknown } | NoAnswer

export type NoAnswer =
  /** By the gateway, or by the node behind it. */
  | { kind: 'refused'; code: string; message: string; details: Readonly<Record<string, unknown>> }
  /** `isSent`: whether anybody has acted on it is not known. */
  | { kind: 'lost'; isSent: boolean; reason: string }

type GatewayPlace = {
  url: URL
  token: string
  scopes: readonly string[]
  /** Null where the token alone is enough. */
  device: Device | null
}

type Opened = { ok: true; gateway: Gateway } | { ok: false; answer: NoAnswer }
type Waiting = Map<string, (answer: GatewayAnswer) => void>

const CONNECT_MS = 15_000
const CHALLENGE = 'connect.challenge'
const CLIENT = { id: 'gateway-client', displayName: 'hostops', version: VERSION, mode: 'backend' } as const
const ROLE = 'operator'

export async function connectGateway(place: GatewayPlace, signal?: AbortSignal): Promise<Opened> {
  const waiting: Waiting = new Map()
  let isOpen = true
  const challenge = answerTo(CHALLENGE, waiting, { timeoutMs: CONNECT_MS, signal })
  const listener = {
    onText: (text: string) => settle(text, waiting),
    onClose(reason: string) {
      isOpen = false
      for (const answer of waiting.values()) answer({ kind: 'lost', isSent: true, reason })
    },
  }
  const dialed = await openWebSocket(place.url, listener, withLimit(signal, CONNECT_MS))
  if (!dialed.ok) {
    listener.onClose(dialed.reason)
    return { ok: false, answer: { kind: 'lost', isSent: false, reason: dialed.reason } }
  }
  const { socket } = dialed
  let last = 0
  const gateway: Gateway = {
    isOpen: () => isOpen,
    close: socket.close,
    async request(method, params, options) {
      if (!isOpen || options.signal?.aborted)
        return { kind: 'lost', isSent: false, reason: 'the connection is closed' }
      last += 1
      const id = String(last)
      const answer = answerTo(id, waiting, options)
      socket.send(JSON.stringify({ type: 'req', id, method, params }))
      return answer
    },
  }
  const answer = await introduce(gateway, place, await challenge, signal)
  if (answer.kind === 'answer') return { ok: true, gateway }
  gateway.close()
  return { ok: false, answer }
}

function answerTo(
  id: string,
  waiting: Waiting,
  { timeoutMs, signal }: RequestOptions,
): Promise<GatewayAnswer> {
  return new Promise(resolve => {
    const give = (answer: GatewayAnswer) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave)
      waiting.delete(id)
      resolve(answer)
    }
    const lose = (reason: string) => give({ kind: 'lost', isSent: true, reason })
    const leave = () => lose('not waited for any longer')
    const timer = setTimeout(() => lose(`no answer within ${timeoutMs} ms`), timeoutMs)
    signal?.addEventListener('abort', leave)
    waiting.set(id, give)
  })
}

function settle(text: string, waiting: Waiting): void {
  const frame = frameSchema().safeParse(parseJson(text)).data
  if (frame === undefined) return
  if (frame.type === 'event') waiting.get(frame.event)?.({ kind: 'answer', payload: frame.payload })
  else if (frame.ok) waiting.get(frame.id)?.({ kind: 'answer', payload: frame.payload })
  else waiting.get(frame.id)?.({ kind: 'refused', ...frame.error })
}

async function introduce(
  gateway: Gateway,
  { token, scopes, device }: GatewayPlace,
  challenge: GatewayAnswer,
  signal: AbortSignal | undefined,
): Promise<GatewayAnswer> {
  if (challenge.kind !== 'answer') return challenge
  const { nonce } = challengeSchema().parse(challenge.payload)
  const words = [CLIENT.id, CLIENT.mode, ROLE, scopes.join(',')]
  const params = {
    ...{ minProtocol: 3, maxProtocol: 4, role: ROLE, scopes, caps: [], auth: { token } },
    client: { ...CLIENT, platform: SYSTEM_NAME },
    ...(device === null ? {} : { device: signedBy(device, words, token, nonce) }),
  }
  return gateway.request('connect', params, { timeoutMs: CONNECT_MS, signal })
}

const challengeSchema = once(() => z.object({ nonce: z.string().catch('') }).catch({ nonce: '' }))

/** Nothing that comes is believed to have the right shape. */
const frameSchema = once(() =>
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('event'), event: z.string(), payload: z.unknown().optional() }),
    z.object({
      type: z.literal('res'),
      id: z.string(),
      ok: z.boolean(),
      payload: z.unknown().optional(),
      error: z
        .object({
          code: z.string().catch(''),
          message: z.string().catch(''),
          details: z.record(z.string(), z.unknown()).catch({}),
        })
        .catch({ code: '', message: '', details: {} }),
    }),
  ]),
)
