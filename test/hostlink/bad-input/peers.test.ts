/** Peers that say nothing, little, or nonsense: a close, no memory, and nobody else feels them. */
import { afterEach, describe, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { descriptors, rssKib, until } from '../../rig/observe.ts'
import { connectPeer, frame, type Peer } from '../../rig/peer.ts'

const daemons: DaemonRig[] = []
async function fresh(): Promise<DaemonRig> {
  const daemon = await startDaemonRig()
  daemons.push(daemon)
  return daemon
}
afterEach(async () => {
  await Promise.all(daemons.splice(0).map(daemon => daemon.stop()))
})

const hundreds = async (daemon: DaemonRig, count = 200): Promise<Peer[]> => {
  const peers: Peer[] = []
  for (let i = 0; i < count; i++) peers.push(await connectPeer(daemon.socket))
  return peers
}
const ping = (daemon: DaemonRig, id = 'p') => ({ version: 1, type: 'ping', id, token: daemon.token })

/** The deadline of 10 s is in PROTOCOL.md; all that wait for it wait at the same time. */
test('silent, half-open and slow peers, hundreds of each, are closed at the deadline without an answer', async () => {
  const daemon = await fresh()
  const before = { rss: rssKib(daemon.pid), fds: descriptors(daemon.pid) }
  await undisturbed(daemon, async () => {
    const started = Date.now()
    const silent = await hundreds(daemon, 80)
    const halfOpen = await hundreds(daemon, 80)
    for (const peer of halfOpen) peer.send(frame(JSON.stringify(ping(daemon))).subarray(0, 40))
    const slow = await hundreds(daemon, 80)
    const request = frame(JSON.stringify(ping(daemon)) + ' '.repeat(5000))
    let at = 0
    const drip = setInterval(() => {
      for (const peer of slow) peer.send(request.subarray(at, at + 1))
      at += 1
    }, 50)
    const answers = await Promise.all([...silent, ...halfOpen, ...slow].map(peer => peer.rest()))
    clearInterval(drip)
    expect(answers.flat()).toEqual([])
    expect(Date.now() - started).toBeGreaterThan(8_000)
    expect(rssKib(daemon.pid) - before.rss).toBeLessThan(64 * 1024)
  })
  await until('no descriptor is left over', () => descriptors(daemon.pid) <= before.fds + 2)
})

describe('without waiting', () => {
  test('more silent peers than the bound: the oldest give way, and a newcomer is served', async () => {
    const daemon = await fresh()
    const peers = await undisturbed(daemon, () => hundreds(daemon, 400))
    await until('the oldest is closed', () => peers[0]!.socket.readableEnded || peers[0]!.socket.destroyed)
    expect(descriptors(daemon.pid)).toBeLessThan(256 + 60)
    const peer = await connectPeer(daemon.socket)
    peer.ask(ping(daemon))
    expect((await peer.answer()).status).toBe('ok')
    for (const one of [...peers, peer]) one.destroy()
  })

  test('idle peers that have shown a token do not delay others', async () => {
    const daemon = await fresh()
    const idle = await hundreds(daemon)
    for (const peer of idle) peer.ask({ ...ping(daemon), keep_alive: true })
    for (const peer of idle) expect((await peer.answer()).status).toBe('ok')
    await undisturbed(daemon, () => new Promise(resolve => setTimeout(resolve, 300)))
    expect(idle.every(peer => !peer.socket.readableEnded)).toBe(true)
    for (const peer of idle) peer.destroy()
  })

  test.each([
    ['a bad magic', Buffer.from('XXXX\0\0\0\x02{}', 'latin1')],
    ['a browser', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['a length of zero', Buffer.from('484c4e4b00000000', 'hex')],
    ['an oversized length', Buffer.from('484c4e4b08000001', 'hex')],
    ['the largest length', Buffer.from('484c4e4bffffffff', 'hex')],
  ])('%s, from two hundred peers: each is closed without an answer', async (_name, bytes) => {
    const daemon = await fresh()
    const before = descriptors(daemon.pid)
    await undisturbed(daemon, async () => {
      const peers = await hundreds(daemon)
      for (const peer of peers) peer.send(bytes)
      expect((await Promise.all(peers.map(peer => peer.rest()))).flat()).toEqual([])
    })
    await until('no descriptor is left over', () => descriptors(daemon.pid) <= before + 2)
  })

  test('100 MiB without a token are refused at the header, and are not read', async () => {
    const daemon = await fresh()
    const before = rssKib(daemon.pid)
    await undisturbed(daemon, async () => {
      const peer = await connectPeer(daemon.socket)
      peer.send(Buffer.from('484c4e4b06400000', 'hex'))
      const blanks = Buffer.alloc(1024 * 1024, 0x20)
      for (let i = 0; i < 100; i++) peer.send(blanks)
      const answer = await peer.answer().catch(() => null)
      // Whoever goes on sending may see a reset in place of the answer; what counts is that nothing was kept.
      if (answer) {
        expect(answer).toMatchObject({
          id: '',
          status: 'bad_request',
          error_msg: 'request too large (at most 2097152 bytes)',
        })
      }
      await peer.closed
    })
    expect(rssKib(daemon.pid) - before).toBeLessThan(64 * 1024)
  })

  test('100 MiB declared and not sent get the answer', async () => {
    const daemon = await fresh()
    const peer = await connectPeer(daemon.socket)
    peer.send(Buffer.from('484c4e4b06400000', 'hex'))
    const answers = (await peer.rest()).map(payload => JSON.parse(payload.toString()))
    expect(answers).toMatchObject([
      { id: '', status: 'bad_request', error_msg: 'request too large (at most 2097152 bytes)' },
    ])
  })

  test('2 MiB each from hundreds of peers without a token: the largest give way, and memory does not follow', async () => {
    const daemon = await fresh()
    const before = rssKib(daemon.pid)
    const almost = Buffer.alloc(8 + 2 * 1024 * 1024 - 1, 0x20)
    Buffer.from('484c4e4b00200000', 'hex').copy(almost)
    await undisturbed(daemon, async () => {
      for (let wave = 0; wave < 4; wave++) {
        const peers = await hundreds(daemon)
        for (const peer of peers) peer.send(almost)
        const isClosed = (peer: Peer) => peer.socket.readableEnded || peer.socket.destroyed
        await until('most are refused', () => peers.filter(isClosed).length >= 180)
        for (const peer of peers) peer.destroy()
      }
    })
    // 1600 MiB were sent. At most 16 MiB are held; the rest is what the garbage collector has not come to yet.
    expect(rssKib(daemon.pid) - before).toBeLessThan(300 * 1024)
  })
})
