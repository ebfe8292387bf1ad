/** A WebSocket client (RFC 6455) for texts: Node 20 has none, and a package would bring thousands of lines for these. */
import { createHash, randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { type Frame, frameOf, OPCODE, takeFrame } from './websocket-frame.ts'

type WebSocketClient = {
  send(text: string): void
  /** Idempotent. */
  close(): void
}

type Listener = {
  onText(text: string): void
  /** Called once. `reason`: in words of the server or of the system. */
  onClose(reason: string): void
}

type Dialed = { ok: true; socket: WebSocketClient } | { ok: false; reason: string }

/** Appended to the key by every server, as the RFC says. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const CLOSED = 'the connection was closed'
const NORMAL_CLOSURE = Buffer.from([0x03, 0xe8])

export async function openWebSocket(url: URL, listener: Listener, signal: AbortSignal): Promise<Dialed> {
  const { request } = url.protocol === 'wss:' ? await import('node:https') : await import('node:http')
  const key = randomBytes(16).toString('base64')
  const headers = {
    ...{ Connection: 'Upgrade', Upgrade: 'websocket' },
    ...{ 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': key },
  }
  return new Promise(resolve => {
    const asked = request(url.href.replace(/^ws/, 'http'), { headers, signal, agent: false })
    asked.once('error', error => resolve({ ok: false, reason: error.message }))
    asked.once('response', response => {
      response.destroy()
      resolve({ ok: false, reason: `it answers HTTP ${response.statusCode}, and speaks no WebSocket` })
    })
    asked.once('upgrade', (response, stream, head) => {
      if (response.headers['sec-websocket-accept'] === acceptOf(key))
        return resolve({ ok: true, socket: converse(stream, head, listener) })
      stream.destroy()
      resolve({ ok: false, reason: 'it accepts WebSockets in a way of its own' })
    })
    asked.end()
  })
}

const acceptOf = (key: string): string =>
  createHash('sha1')
    .update(key + GUID)
    .digest('base64')

function converse(stream: Duplex, head: Buffer, { onText, onClose }: Listener): WebSocketClient {
  let unread: Buffer = Buffer.alloc(0)
  let message: Buffer[] = []
  let isOver = false
  const end = (reason: string) => {
    if (isOver) return
    isOver = true
    stream.destroy()
    onClose(reason)
  }
  const write = (opcode: number, payload: Buffer) => {
    if (!isOver) stream.write(frameOf(opcode, payload))
  }
  const take = ({ opcode, isFinal, payload }: Frame) => {
    if (opcode === OPCODE.ping) return write(OPCODE.pong, payload)
    if (opcode === OPCODE.close) return end(closedWith(payload))
    if (opcode !== OPCODE.text && opcode !== OPCODE.continuation) return
    message.push(payload)
    if (!isFinal) return
    const text = Buffer.concat(message).toString('utf8')
    message = []
    onText(text)
  }
  const read = (chunk: Buffer) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    try {
      for (let next = takeFrame(unread); next !== null && !isOver; next = takeFrame(unread)) {
        unread = next.rest
        take(next.frame)
      }
    } catch (error) {
      end((error as Error).message)
    }
  }
  stream.on('data', read)
  stream.on('error', error => end(error.message))
  stream.on('close', () => end(CLOSED))
  stream.unshift(head)
  return {
    send: text => write(OPCODE.text, Buffer.from(text)),
    close() {
      write(OPCODE.close, NORMAL_CLOSURE)
      stream.end(() => end('closed here'))
    },
  }
}

function closedWith(payload: Buffer): string {
  if (payload.length < 2) return CLOSED
  const words = payload.subarray(2).toString('utf8')
  return `closed with code ${payload.readUInt16BE(0)}${words === '' ? '' : `: ${words}`}`
}
