/** A daemon that sends nonsense: every call of the library comes back with a value or a failure, in time. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../../src/hostlink/link/client.ts'
import type { Endpoint } from '../../src/hostlink/link/link.ts'
import { below, mutate } from '../rig/mutate.ts'
import { frame, peerOn } from '../rig/peer.ts'
import { seeded } from '../rig/seeded.ts'

const SEED = 20261120
const ROUNDS = 300

const dir = mkdtempSync(join(tmpdir(), 'hostlink-nonsense-'))
const path = join(dir, 'x.sock')
const random = seeded(SEED)
let server: Server
beforeAll(async () => {
  server = createServer(socket => {
    const peer = peerOn(socket)
    const answerAll = async () => {
      for (let payload = await peer.next(); payload !== null; payload = await peer.next()) {
        peer.send(damaged(JSON.parse(payload.toString('utf8')).id))
        if (below(random)(12) === 0) peer.end()
      }
    }
    answerAll().catch(() => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
})
afterAll(() => {
  server.close()
  rmSync(dir, { recursive: true, force: true })
})

test(`mutated answers, seed ${SEED}`, async () => {
  const endpoint: Endpoint = { at: { kind: 'unix', path }, token: 'x', tokenFrom: 'the test' }
  const seen = new Set<string>()
  for (let round = 0; round < ROUNDS; round++) {
    const link = await connect(endpoint, { answerTimeoutMs: 60 })
    if (!link.ok) {
      seen.add(link.failure.kind)
      continue
    }
    const options = { answerTimeoutMs: 60 }
    const results = await Promise.all([
      link.value.exec({ command: 'true', ...options }),
      link.value.exec({ command: 'true', ...options, ...(round % 2 ? { onOutput: () => {} } : {}) }),
      link.value.jobList(options),
      link.value.jobTail('0123456789ab', options),
    ])
    for (const result of results) seen.add(result.ok ? 'ok' : result.failure.kind)
    link.value.close()
  }
  // The damage got behind the framing and behind the envelope, and some answers came through whole.
  expect([...seen]).toEqual(expect.arrayContaining(['ok', 'protocol', 'lost', 'timeout']))
})

/** An answer that fits any request, perhaps behind output, and one or two damages. */
function damaged(id: string): Buffer {
  const upTo = below(random)
  const answer = JSON.stringify({
    version: 1,
    id,
    node: 'n',
    status: 'ok',
    uptime_s: 1,
    features: ['keep_alive', 'stream', 'argv', 'cancel'],
    exit_code: 0,
    stdout: 'x',
    jobs: [],
    data: '',
    offset: 0,
    next_offset: 0,
    binary: false,
  })
  const output = Buffer.concat([Buffer.from([1, id.length]), Buffer.from(id), Buffer.from('out')])
  const payloads = upTo(3) === 0 ? [output, Buffer.from(answer)] : [Buffer.from(answer)]
  if (upTo(2) === 0) return Buffer.concat(payloads.map(frame))
  if (upTo(2) === 0) return Buffer.concat(payloads.map(payload => frame(mutate(payload, upTo))))
  return mutate(Buffer.concat(payloads.map(frame)), upTo)
}
