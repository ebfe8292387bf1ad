/**
 * Strangers who send as much as they may, again and again: whoever has a token is answered all the while. How quickly
 * can be told on an idle machine only; that they are taken in turns is what daemon/turns.test.ts fails by.
 */
import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asQuickAs } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { rssKib } from '../../rig/observe.ts'
import { connectPeer, frame } from '../../rig/peer.ts'

let daemon: DaemonRig
beforeEach(async () => {
  daemon = await startDaemonRig()
})
afterEach(() => daemon.stop())

const PEERS = 200
const FLOOD_MS = 3000
const AGAIN_AFTER_MS = 1000
/** Nine of ten: a neighbour on the machine may slow any one of them. */
const MOST = 0.9

/** What costs most to look at, within the bounds of a request that is not yet believed. */
const keys = Array.from({ length: 9000 }, (_, i) => `"k${i}":[[1],[2],[3],[4],[5]]`).join(',')
const costly = (more: string) => frame(`{${more}"pad":{${keys}},"rest":"${'y'.repeat(1_500_000)}"}`)

async function flood(request: Buffer): Promise<number> {
  const until = Date.now() + FLOOD_MS
  let sent = 0
  const send = () => {
    if (Date.now() > until) return
    sent += 1
    const socket = connect(daemon.socket)
    socket.on('error', () => {})
    socket.once('close', () => setTimeout(send, AGAIN_AFTER_MS))
    socket.resume()
    socket.write(request)
    setTimeout(() => socket.destroy(), until - Date.now())
  }
  for (let i = 0; i < PEERS; i++) send()
  await new Promise(resolve => setTimeout(resolve, FLOOD_MS))
  return sent
}

test.each([
  ['without a token', costly('')],
  ['with a wrong token', costly('"type":"ping","token":"wrong",')],
])('large requests %s, from two hundred peers at once', async (_name, request) => {
  const calm = await startDaemonRig()
  const before = rssKib(daemon.pid)
  try {
    await asQuickAs(calm, daemon, MOST, async () =>
      expect(await flood(request)).toBeGreaterThanOrEqual(PEERS),
    )
  } finally {
    await calm.stop()
  }
  expect(rssKib(daemon.pid) - before).toBeLessThan(300 * 1024)
})

test('a large first request with the right token is answered in the midst of them', async () => {
  const storm = flood(costly('"type":"ping","token":"wrong",'))
  const command = `: ${'x'.repeat(100_000)}; echo heard`
  for (let i = 0; i < 5; i++) {
    const peer = await connectPeer(daemon.socket)
    peer.ask({ version: 1, type: 'exec', id: 'a', token: daemon.token, command })
    expect(await peer.answer()).toMatchObject({ status: 'ok', stdout: 'heard\n' })
  }
  await storm
})

test('a right token that is spelt oddly, or stands behind another key of this name, is a right token', async () => {
  const pad = 'x'.repeat(10_000)
  const odd = daemon.token.replace(/^./, first => `\\u00${first.charCodeAt(0).toString(16)}`)
  for (const body of [
    `{"type":"ping","id":"a","token":"${odd}","pad":"${pad}"}`,
    `{"type":"ping","id":"a","pad":{"token":"wrong","more":"${pad}"},"token":"${daemon.token}"}`,
    `{"type":"ping","id":"a","to\\u006ben":"${daemon.token}","pad":"${pad}"}`,
  ]) {
    const peer = await connectPeer(daemon.socket)
    peer.send(Buffer.concat([frame(body), frame(`{"type":"ping","id":"b","token":"wrong"}`)]))
    expect(await peer.answer()).toMatchObject({ id: 'a', status: 'ok' })
    peer.destroy()
  }
})

test('requests that follow a large one in the same bytes are taken behind it, each in its turn', async () => {
  const pad = 'x'.repeat(10_000)
  const large = (id: string) =>
    frame(
      `{"type":"ping","id":"${id}","pad":{"token":"wrong","more":"${pad}"},"token":"${daemon.token}","keep_alive":true}`,
    )
  const peer = await connectPeer(daemon.socket)
  peer.send(Buffer.concat([large('a'), large('b'), large('c')]))
  for (const id of ['a', 'b', 'c']) expect(await peer.answer()).toMatchObject({ id, status: 'ok' })
  peer.end()
  await peer.closed
})
