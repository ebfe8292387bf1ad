/** Dialling what is not a gateway, or stops being one. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openWebSocket } from '../../../src/openclaw/websocket.ts'
import { poll } from '../../rig/hostops.ts'

let server: Server
let url: URL
const texts: string[] = []
const ends: string[] = []
const listener = {
  onText: (text: string) => texts.push(text),
  onClose: (reason: string) => ends.push(reason),
}
const dialed = () => openWebSocket(url, listener, AbortSignal.timeout(10_000))

beforeEach(async () => {
  texts.length = 0
  ends.length = 0
  server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
afterEach(() => {
  server.close()
  server.closeAllConnections()
})

const upgrade = (then: (socket: Duplex) => void, more = '') =>
  server.on('upgrade', ({ headers }, socket) => {
    const accept = createHash('sha1')
      .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.on('error', () => {})
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}${more}\r\n\r\n`,
    )
    then(socket)
  })

test('a web server', async () => {
  expect(await dialed()).toEqual({ ok: false, reason: 'it answers HTTP 200, and speaks no WebSocket' })
})

test('nobody', async () => {
  server.close()
  expect(await dialed()).toMatchObject({ ok: false, reason: expect.stringContaining('ECONNREFUSED') })
})

test('a server that has not read the key', async () => {
  upgrade(() => {}, 'x')
  expect(await dialed()).toMatchObject({ ok: false })
})

test('a message in three fragments with a ping between them, at once with the answer', async () => {
  const frames = [
    [0x01, 1, 0x61],
    [0x89, 1, 0x70],
    [0x00, 1, 0x62],
    [0x80, 1, 0x63],
  ]
  const answered: Buffer[] = []
  upgrade(socket => {
    socket.on('data', chunk => answered.push(chunk))
    for (const frame of frames) socket.write(Buffer.from(frame))
  })
  const opened = await dialed()
  await poll(() => texts.length > 0 && answered.length > 0)
  expect(texts).toEqual(['abc'])
  // A pong, masked.
  expect([answered[0]![0], answered[0]![1]]).toEqual([0x8a, 0x81])
  if (opened.ok) opened.socket.close()
  await poll(() => ends.length > 0)
  expect(ends).toEqual(['closed here'])
})

test('a server that says why it closes, one that breaks off, one that breaks the rules', async () => {
  const endings = [Buffer.from([0x88, 4, 0x03, 0xf0, 0x6e, 0x6f]), null, Buffer.from([0xf1, 0])]
  upgrade(socket => {
    const end = endings.shift()
    if (end) socket.write(end)
    else socket.destroy()
  })
  for (let count = 1; count <= 3; count += 1) {
    await dialed()
    await poll(() => ends.length === count)
  }
  expect(ends).toEqual(['closed with code 1008: no', 'the connection was closed', 'a frame breaks the rules'])
})
