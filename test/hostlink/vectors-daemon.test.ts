/** Runs each vector that a client may send against the real daemon: its bytes in, the daemon's bytes out. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { connectPeer, type Peer } from '../rig/peer.ts'
import { answerPattern, loadVectors, type Vector } from '../rig/vectors.ts'

const vectors = loadVectors().filter(vector => vector.daemon.length > 0)
let daemon: DaemonRig
beforeAll(async () => {
  expect(vectors.length).toBeGreaterThan(180)
  daemon = await startDaemonRig({
    config: { auth_token: 'vector-token', node_name: 'vectors', max_timeout_ms: '20000' },
  })
})
afterAll(() => daemon?.stop())

describe('the daemon', () => {
  test.each(vectors)('$name: $about', async vector => {
    const peer = await connectPeer(daemon.socket)
    try {
      const expected = expectation(vector.daemon)
      const heard = await converse(peer, vector, expected)
      expect(heard.outputs).toEqual(expected.outputs)
      compare(heard.answers, expected)
      if (expected.staysOpen) await expectOpen(peer)
    } finally {
      peer.destroy()
    }
  })
})

type Expected = {
  outputs: string[]
  answers: string[]
  anyOrder: boolean
  maybe: boolean
  staysOpen: boolean
}

function expectation(lines: string[]): Expected {
  const last = lines.at(-1)
  if (last !== 'closes' && last !== 'stays open') throw new Error('the daemon neither closes nor stays open')
  return {
    outputs: lines.filter(line => line.startsWith('output ')),
    answers: lines.filter(line => line.startsWith('{')),
    anyOrder: lines.includes('any order'),
    maybe: lines.includes('maybe'),
    staysOpen: last === 'stays open',
  }
}

async function converse(peer: Peer, vector: Vector, expected: Expected) {
  const answers: string[] = []
  const outputs = new Map<string, Buffer>()
  const pieces = cut(vector)
  const oneByOne = vector.sends === 'answer by answer'
  const send = async () => {
    for (const piece of pieces.splice(0, oneByOne ? 1 : pieces.length)) {
      peer.send(piece)
      // Bytes that are to arrive on their own must not be joined on their way.
      if (typeof vector.sends === 'object') await new Promise(resolve => setImmediate(resolve))
    }
    if (pieces.length === 0 && vector.ends) peer.end()
  }
  await send()
  while (!expected.staysOpen || answers.length < expected.answers.length) {
    const payload = await peer.next()
    if (payload === null) break
    if (payload[0] === 1 || payload[0] === 2) {
      const end = 2 + payload[1]!
      const key = `output ${payload.toString('utf8', 2, end) || '-'} ${payload[0] === 1 ? 'stdout' : 'stderr'}`
      outputs.set(key, Buffer.concat([outputs.get(key) ?? Buffer.alloc(0), payload.subarray(end)]))
    } else {
      answers.push(payload.toString('utf8'))
      await send()
    }
  }
  const texts = [...outputs].map(([key, data]) => `${key} ${data.toString('hex')}`)
  return {
    answers,
    outputs: texts.sort((a, b) => (a.includes(' stderr ') ? 1 : 0) - (b.includes(' stderr ') ? 1 : 0)),
  }
}

function compare(answers: string[], expected: Expected): void {
  if (expected.maybe && answers.length === 0) return
  const left = [...answers]
  for (const [index, pattern] of expected.answers.entries()) {
    const regexp = answerPattern(pattern)
    const at = expected.anyOrder ? left.findIndex(answer => regexp.test(answer)) : 0
    // Printed beside each other when they differ.
    if (at === -1 || !regexp.test(left[at] ?? '')) expect(left[expected.anyOrder ? index : 0]).toBe(pattern)
    left.splice(at, 1)
  }
  expect(left).toEqual([])
}

async function expectOpen(peer: Peer): Promise<void> {
  peer.ask({ version: 1, type: 'ping', id: 'still open?', token: 'vector-token' })
  expect(await peer.answer()).toMatchObject({ id: 'still open?', status: 'ok' })
}

function cut(vector: Vector): Buffer[] {
  const { bytes, sends } = vector
  if (sends === 'at once') return [bytes]
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const whole = typeof sends === 'object' ? sends.pieces : 8 + bytes.readUInt32BE(at + 4)
    pieces.push(bytes.subarray(at, at + whole))
    at += whole
  }
  return pieces
}
