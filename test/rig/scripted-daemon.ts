/** A peer that says exactly what a test wants it to say: for liars, slow ones, and links that break. */

import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeMessage, encodeOutput, FrameReader } from '../../src/hostlink/frame.ts'
import type { Endpoint } from '../../src/hostlink/link/link.ts'
import { FEATURES } from '../../src/hostlink/messages.ts'
import type { StreamName } from '../../src/process/stream-name.ts'

type Json = Record<string, unknown>
export type Reply = {
  /** Which connection, counted from 0. */
  connection: number
  socket: Socket
  /** Envelope and fields. */
  answer(fields?: Json): void
  output(stream: StreamName, data: string | Buffer, id?: string): void
  close(): void
}
export type Script = (request: Json, reply: Reply) => void

export type ScriptedDaemon = {
  endpoint: Endpoint
  requests: (Json & { connection: number })[]
  connections(): number
  stop(): Promise<void>
}

export async function startScripted(
  script: Script,
  features: readonly string[] = FEATURES,
  uptime: () => number = () => 100,
): Promise<ScriptedDaemon> {
  const dir = await mkdtemp(join(tmpdir(), 'scripted-'))
  const requests: (Json & { connection: number })[] = []
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer(socket => {
    const connection = count++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    const reader = new FrameReader()
    socket.on('data', chunk => {
      for (const payload of reader.push(chunk)) {
        const request: Json = JSON.parse(payload.toString('utf8'))
        requests.push({ ...request, connection })
        const reply = replyTo(request, socket, connection)
        if (request['type'] === 'ping') reply.answer({ uptime_s: uptime(), features })
        else script(request, reply)
      }
    })
  })
  const path = join(dir, 's.sock')
  await new Promise<void>(resolve => server.listen(path, resolve))
  return {
    endpoint: { at: { kind: 'unix', path }, token: 'scripted', tokenFrom: 'the test' },
    requests,
    connections: () => count,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function replyTo(request: Json, socket: Socket, connection: number): Reply {
  const ownId = String(request['id'])
  const send = (bytes: Buffer) => void (socket.destroyed || socket.write(bytes))
  return {
    connection,
    socket,
    answer: (fields = {}) =>
      send(encodeMessage({ version: 1, id: ownId, node: 'scripted', status: 'ok', ...fields })),
    output: (stream, data, id = ownId) =>
      send(encodeOutput({ id, stream, data: Buffer.from(data as string) })),
    close: () => void socket.end(),
  }
}
