/** Seeded nonsense at the real daemon: it answers or closes, and is none the worse for it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { undisturbed } from '../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { below, mutate } from '../rig/mutate.ts'
import { childrenOf, descriptors, PIPES_AT_HAND, rssKib, until } from '../rig/observe.ts'
import { connectPeer, frame } from '../rig/peer.ts'
import { seeded } from '../rig/seeded.ts'

const SEED = 20261120
const ROUNDS = 4
const PEERS = 150

let daemon: DaemonRig
beforeAll(async () => {
  daemon = await startDaemonRig()
})
afterAll(() => daemon?.stop())

/** Nothing here can become a command that does harm, however it is mutated: argv of one word only. */
const requests = (token: string): object[] => [
  { version: 1, type: 'ping', id: 'a', token, keep_alive: true },
  { version: 1, type: 'exec', id: 'b', token, argv: ['true'], keep_alive: true, timeout_ms: 2000 },
  {
    version: 1,
    type: 'exec',
    id: 'c',
    token,
    argv: ['true'],
    stream: true,
    env: { A: '1' },
    workdir: '/',
    timeout_ms: 2000,
  },
  { version: 1, type: 'job', id: 'd', token, action: 'list' },
  {
    version: 1,
    type: 'job',
    id: 'e',
    token,
    action: 'tail',
    job_id: '0123456789ab',
    stream: 'stderr',
    offset: 0,
  },
  { version: 1, type: 'cancel', id: 'f', token, target_id: 'b' },
]

test(`mutated requests, seed ${SEED}`, async () => {
  const random = seeded(SEED)
  const before = { rss: rssKib(daemon.pid), fds: descriptors(daemon.pid) }
  await undisturbed(daemon, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(Array.from({ length: PEERS }, () => attack(nonsense(random, daemon.token))))
    }
  })
  await until('no child is left over', () => childrenOf(daemon.pid).length === 0)
  await until('no descriptor is left over', () => descriptors(daemon.pid) <= before.fds + 2 + PIPES_AT_HAND)
  expect(rssKib(daemon.pid) - before.rss).toBeLessThan(64 * 1024)
  expect(daemon.log()).not.toMatch(/TypeError|RangeError|unhandled|\n\s+at /i)
})

/** Every payload that comes back is output or an answer whose envelope is right. */
async function attack(bytes: Buffer): Promise<void> {
  const peer = await connectPeer(daemon.socket)
  peer.send(bytes)
  peer.end()
  for (const payload of await peer.rest()) {
    if (payload[0] === 1 || payload[0] === 2) continue
    expect(payload.toString('utf8')).toMatch(
      /^\{"version":1,"id":"(?:[^"\\]|\\.)*","node":"[^"]*","status":"[a-z_]+"/,
    )
  }
  peer.destroy()
}

function nonsense(random: () => number, token: string): Buffer {
  const known = requests(token)
  const upTo = below(random)
  const frames = Array.from({ length: 1 + upTo(4) }, () => {
    const body = Buffer.from(JSON.stringify(known[upTo(known.length)]))
    // Half of the mutations leave the frame whole, so that they get behind the framing.
    return random() < 0.5 ? frame(mutate(body, upTo)) : mutate(frame(body), upTo)
  })
  return Buffer.concat(frames)
}
