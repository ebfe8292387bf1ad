/** A bare peer on a hostlink socket: sends any bytes, reads frames, and shares no code with our client. */
import { connect, type Socket } from 'node:net'

export type Answer = Record<string, unknown> & { id: string; status: string; error_msg?: string }

export type Peer = {
  readonly socket: Socket
  /** Bytes as they are. */
  send(bytes: Uint8Array): void
  /** One request in one frame. */
  ask(message: object): void
  /** The next payload, or null once the other side has ended. */
  next(): Promise<Buffer | null>
  /** The next payload that is no output frame, as JSON. */
  answer(): Promise<Answer>
  /** Everything up to the end of the connection. */
  rest(): Promise<Buffer[]>
  /** Resolves once the connection is closed by either side. */
  readonly closed: Promise<void>
  end(): void
  destroy(): void
}

export function frame(payload: string | Uint8Array): Buffer {
  const body = Buffer.from(payload as string)
  const head = Buffer.from('HLNK\0\0\0\0', 'latin1')
  head.writeUInt32BE(body.length, 4)
  return Buffer.concat([head, body])
}

/** Generous: a slow machine with neighbours is no failure, a peer that never answers is one. */
const PATIENCE_MS = 60_000

export async function connectPeer(path: string): Promise<Peer> {
  const socket = connect(path)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return peerOn(socket)
}

export function peerOn(socket: Socket): Peer {
  const payloads: Buffer[] = []
  const held = heldBytes()
  let ended = false
  let wake = () => {}
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  const end = () => {
    ended = true
    wake()
  }
  socket.on('error', () => {})
  socket.on('end', end)
  socket.on('close', end)
  socket.on('data', chunk => {
    held.add(chunk)
    for (let payload = held.take(); payload !== null; payload = held.take()) payloads.push(payload)
    wake()
  })

  const next = async (): Promise<Buffer | null> => {
    const deadline = Date.now() + PATIENCE_MS
    while (payloads.length === 0 && !ended) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('the peer heard nothing')), deadline - Date.now())
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return payloads.shift() ?? null
  }

  return {
    socket,
    closed,
    next,
    send: bytes => void socket.write(bytes),
    ask: message => void socket.write(frame(JSON.stringify(message))),
    answer: async () => {
      for (;;) {
        const payload = await next()
        if (payload === null) throw new Error('the connection ended without an answer')
        if (payload[0] !== 1 && payload[0] !== 2) return JSON.parse(payload.toString('utf8'))
      }
    },
    rest: async () => {
      const found: Buffer[] = []
      for (let payload = await next(); payload !== null; payload = await next()) found.push(payload)
      return found
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  }
}

/** Joins chunks only once a whole frame is there, so that large frames cost one copy. */
function heldBytes() {
  let chunks: Buffer[] = []
  let bytes = 0
  let need = 8
  const joined = () => {
    chunks = [Buffer.concat(chunks)]
    return chunks[0]!
  }
  return {
    add: (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
    },
    take: (): Buffer | null => {
      if (need === 8 && bytes >= 8) need = 8 + joined().readUInt32BE(4)
      if (bytes < need || need === 8) return null
      const whole = joined()
      chunks = [whole.subarray(need)]
      bytes -= need
      const payload = whole.subarray(8, need)
      need = 8
      return payload
    },
  }
}
