/** One connection to a daemon, with any number of requests in flight on it. */

import { statSync } from 'node:fs'
import { connect as connectSocket, type Socket } from 'node:net'
import { quietly } from '../../process/quietly.ts'
import { systemError } from '../../process/system-error.ts'
import { decodeOutput, encodeMessage, FrameError, FrameReader, isOutputPayload } from '../frame.ts'
import { answersTo, fail, parseAnswer, type Received } from './answers.ts'
import type {
  Address,
  ConnectOptions,
  Endpoint,
  LinkExecOptions,
  LinkFailure,
  OnOutput,
  Result,
} from './link.ts'

export type Channel = {
  /** False once nothing can be sent any more. */
  isOpen(): boolean
  request(body: RequestBody, options?: ChannelRequest): Promise<Result<Received>>
  /** Stops waiting for a request; its late answer is passed over. */
  abandon(id: string, failure: LinkFailure): void
  close(): void
}

/** Everything of a request but its version and token. */
export type RequestBody = { type: string; id: string } & Readonly<Record<string, unknown>>
export type ChannelRequest = Pick<LinkExecOptions, 'answerTimeoutMs' | 'onOutput'>

const DEFAULT_CONNECT_TIMEOUT_MS = 5000
/** Node cuts longer paths, and would connect to another socket. */
const LONGEST_SOCKET_PATH = 107
/** Longer timers of Node fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647

export function dial(
  endpoint: Endpoint,
  options: Pick<ConnectOptions, 'connectTimeoutMs' | 'maxAnswerBytes' | 'signal'> = {},
): Promise<Result<Channel>> {
  const { at } = endpoint
  const { signal } = options
  if (signal?.aborted) return Promise.resolve(fail({ kind: 'cancelled', confirmed: true }))
  if (at.kind === 'unix' && Buffer.byteLength(at.path) > LONGEST_SOCKET_PATH)
    return Promise.resolve(fail(connectFailure(at, { code: 'ENAMETOOLONG' })))
  return new Promise(resolve => {
    const socket = connectSocket(at.kind === 'unix' ? { path: at.path } : { host: at.host, port: at.port })
    const give = (failure: LinkFailure) => {
      done()
      socket.destroy()
      resolve(fail(failure))
    }
    const refuse = (error: unknown) => give(connectFailure(at, error))
    const abort = () => give({ kind: 'cancelled', confirmed: true })
    const limit = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS
    const timer = setTimeout(() => refuse({ code: 'ETIMEDOUT' }), limit)
    const done = () => {
      clearTimeout(timer)
      socket.off('error', refuse)
      socket.on('error', () => {})
      signal?.removeEventListener('abort', abort)
    }
    signal?.addEventListener('abort', abort)
    socket.once('error', refuse)
    socket.once('connect', () => {
      done()
      socket.setNoDelay(true)
      resolve({ ok: true, value: openChannel(socket, endpoint.token, options.maxAnswerBytes) })
    })
  })
}

/** Sends and waits; on abort `onAbort` decides what becomes of the request, otherwise it is abandoned at once. */
export async function withSignal(
  channel: Channel,
  body: RequestBody,
  request: ChannelRequest,
  signal: AbortSignal | undefined,
  onAbort: (channel: Channel) => void = abandoning =>
    abandoning.abandon(body.id, { kind: 'cancelled', confirmed: false }),
): Promise<Result<Received>> {
  if (signal?.aborted) return fail({ kind: 'cancelled', confirmed: true })
  const abort = () => onAbort(channel)
  signal?.addEventListener('abort', abort)
  try {
    return await channel.request(body, request)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

function connectFailure(at: Address, error: unknown): LinkFailure {
  // Node tries every address of a name and then wraps what each of them said.
  const inner = (error as { errors?: unknown }).errors
  const { code, words } = systemError(Array.isArray(inner) ? (inner[0] ?? error) : error)
  // The kernel refuses what is no socket in the same way as a socket on which nobody listens.
  const isNoSocket = at.kind === 'unix' && code === 'ECONNREFUSED' && !isSocket(at.path)
  return { kind: 'connect', at, code: isNoSocket ? 'ENOTSOCK' : code, reason: words }
}

const isSocket = (path: string): boolean => quietly(() => statSync(path).isSocket()) ?? true

type Pending = {
  resolve: (result: Result<Received>) => void
  reject: (error: unknown) => void
  timer: NodeJS.Timeout | undefined
  onOutput: OnOutput | undefined
}

function openChannel(socket: Socket, token: string, maxAnswerBytes: number | undefined): Channel {
  const reader = new FrameReader(maxAnswerBytes)
  const pending = new Map<string, Pending>()
  const abandoned = new Set<string>()
  let ended: LinkFailure | null = null

  const take = (id: string): Pending | undefined => {
    const entry = pending.get(id)
    pending.delete(id)
    clearTimeout(entry?.timer)
    return entry
  }
  const end = (failure: LinkFailure) => {
    if (ended) return
    ended = failure
    socket.destroy()
    for (const id of [...pending.keys()]) take(id)?.resolve(fail(failure))
  }
  const abandon = (id: string, failure: LinkFailure) => {
    const entry = take(id)
    if (!entry) return
    abandoned.add(id)
    entry.resolve(fail(failure))
  }

  const output = (payload: Buffer): void | Promise<void> => {
    const frame = decodeOutput(payload)
    if (!frame) return end({ kind: 'protocol', reason: 'an output frame is cut short' })
    const entry = pending.get(frame.id)
    const failed = (error: unknown) => {
      take(frame.id)?.reject(error)
      abandoned.add(frame.id)
    }
    try {
      return entry?.onOutput?.(frame.stream, frame.data)?.catch(failed)
    } catch (error) {
      failed(error)
    }
  }
  const message = (payload: Buffer): void => {
    const received = parseAnswer(payload)
    if ('fault' in received) {
      end({ kind: 'protocol', reason: received.fault })
      return
    }
    const entry = asker(received.answer)
    if (entry) entry.resolve({ ok: true, value: received })
    else if (!abandoned.delete(received.answer.id))
      end({ kind: 'protocol', reason: 'an answer has an id that nobody asked with' })
  }
  /** Without an id an answer can only be placed where one request is waiting. */
  const asker = (answer: Received['answer']): Pending | undefined => {
    if (pending.has(answer.id)) return take(answer.id)
    const [only] = pending.keys()
    return only !== undefined && pending.size === 1 && answersTo(answer, only) ? take(only) : undefined
  }
  /** Takes what has come, until a consumer is behind. */
  const takeUntilHeld = (payloads: Generator<Buffer>): void | Promise<void> => {
    for (let next = payloads.next(); !next.done && !ended; next = payloads.next()) {
      const held = isOutputPayload(next.value) ? output(next.value) : message(next.value)
      if (held) return held
    }
  }
  const feed = (payloads: Generator<Buffer>): void => {
    try {
      const held = takeUntilHeld(payloads)
      if (held) {
        // Nothing is read while a consumer is behind, so that nothing piles up here.
        socket.pause()
        held.then(() => feed(payloads))
      } else if (!ended && socket.isPaused()) socket.resume()
    } catch (error) {
      const fault = error instanceof FrameError ? error.fault : String(error)
      end({ kind: 'protocol', reason: `the answer is no hostlink frame (${fault})` })
    }
  }

  socket.on('data', chunk => feed(reader.push(chunk)))
  socket.on('error', error => end({ kind: 'lost', sent: true, reason: systemError(error).words }))
  socket.on('close', () => {
    const where = reader.atBoundary
      ? 'the daemon closed the connection'
      : 'the connection ended inside an answer'
    end({ kind: 'lost', sent: true, reason: where })
  })

  return {
    isOpen: () => ended === null,
    abandon,
    close: () => end({ kind: 'lost', sent: true, reason: 'the link was closed' }),
    request: (body, options = {}) => {
      if (ended)
        return Promise.resolve(fail({ kind: 'lost', sent: false, reason: 'the connection has ended' }))
      const { type, id, ...rest } = body
      const { answerTimeoutMs } = options
      return new Promise((resolve, reject) => {
        const expire = () => abandon(id, { kind: 'timeout', afterMs: answerTimeoutMs ?? 0 })
        const timer =
          answerTimeoutMs === undefined
            ? undefined
            : setTimeout(expire, Math.min(answerTimeoutMs, LONGEST_TIMER_MS))
        pending.set(id, { resolve, reject, timer, onOutput: options.onOutput })
        socket.write(encodeMessage({ version: 1, type, id, token, ...rest }))
      })
    },
  }
}
