/** Runs each vector that a daemon may send against the client library: a fake daemon sends its bytes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FrameReader } from '../../src/hostlink/frame.ts'
import { connect } from '../../src/hostlink/link/client.ts'
import type { Endpoint, LinkFailure, Result } from '../../src/hostlink/link/link.ts'
import { frame, peerOn } from '../rig/peer.ts'
import { loadVectors, type Vector } from '../rig/vectors.ts'

const vectors = loadVectors().filter(vector => vector.client !== undefined)
const dir = mkdtempSync(join(tmpdir(), 'hostlink-vectors-'))
let count = 0
afterAll(() => rmSync(dir, { recursive: true, force: true }))

beforeAll(() => {
  expect(vectors.length).toBeGreaterThan(40)
})

describe('the client', () => {
  test.each(vectors)('$name: $about', async vector => {
    const path = join(dir, `${count++}.sock`)
    const server = createServer(socket => void serve(socket, vector))
    await new Promise<void>(resolve => server.listen(path, resolve))
    try {
      expect(await verdict(vector, { at: { kind: 'unix', path }, token: 'x', tokenFrom: 'the test' })).toBe(
        vector.client,
      )
    } finally {
      server.close()
    }
  })
})

async function verdict(vector: Vector, endpoint: Endpoint): Promise<string> {
  const link = await connect(endpoint, { answerTimeoutMs: 10_000 })
  if (vector.request === 'ping') return wordResult(link.ok ? { ok: true, value: link.value.hello } : link)
  if (!link.ok) throw new Error(`the greeting failed: ${link.failure.kind}`)
  const outputs: string[] = []
  const onOutput = (stream: string, data: Buffer) => void outputs.push(`${stream} ${data.toString('hex')}`)
  const live = vector.request === 'stream' ? { onOutput } : {}
  const result = await link.value.exec({ command: 'true', answerTimeoutMs: 10_000, ...live })
  link.value.close()
  if (vector.request === 'stream' && result.ok) {
    const sent = vector.decodes.filter(verdict => verdict.startsWith('output'))
    expect(outputs).toEqual(sent.map(verdict => verdict.split(' ').slice(2).join(' ')))
  }
  return wordResult(result)
}

function wordResult(result: Result<{ status: string }>): string {
  return result.ok ? `status ${result.value.status}` : wordFailure(result.failure)
}

function wordFailure(failure: LinkFailure): string {
  if (failure.kind === 'refused') return `status ${failure.status}`
  if (failure.kind === 'auth') return 'status auth_failed'
  if (failure.kind === 'lost') return 'no answer'
  return failure.kind === 'protocol' ? 'protocol error' : failure.kind
}

/** Greets like a daemon that has only what the vector needs, then sends the vector's bytes. */
async function serve(socket: Socket, vector: Vector): Promise<void> {
  const peer = peerOn(socket)
  const payload = await peer.next()
  if (payload === null) return
  const request = JSON.parse(payload.toString('utf8'))
  if (request.type === 'ping' && vector.request !== 'ping') {
    const features = vector.request === 'stream' ? { features: ['stream'] } : {}
    const hello = { version: 1, id: request.id, node: 'old', status: 'ok', uptime_s: 1, ...features }
    socket.end(frame(JSON.stringify(hello)))
    return
  }
  const bytes = withId(vector.bytes, request.id)
  const size = typeof vector.sends === 'object' ? vector.sends.pieces : bytes.length || 1
  for (let at = 0; at < bytes.length && !socket.destroyed; at += size) {
    peer.send(bytes.subarray(at, at + size))
    if (size < bytes.length) await new Promise(resolve => setImmediate(resolve))
  }
  if (vector.ends) peer.end()
}

/** The client chose its own id: the vector's `a` is replaced in every whole frame, the rest stays as it is. */
function withId(bytes: Buffer, id: string): Buffer {
  const parts: Buffer[] = []
  let taken = 0
  try {
    for (const payload of new FrameReader().push(bytes)) {
      taken += 8 + payload.length
      parts.push(frame(renamed(payload, id)))
    }
  } catch {
    // The fault is the vector's point.
  }
  return Buffer.concat([...parts, bytes.subarray(taken)])
}

function renamed(payload: Buffer, id: string): Buffer {
  const isOutput = payload[0] === 1 || payload[0] === 2
  if (!isOutput) return Buffer.from(payload.toString('latin1').replace('"id":"a"', `"id":"${id}"`), 'latin1')
  if (payload.toString('latin1', 1, 3) !== '\x01a') return payload
  return Buffer.concat([
    payload.subarray(0, 1),
    Buffer.from([id.length]),
    Buffer.from(id),
    payload.subarray(3),
  ])
}
