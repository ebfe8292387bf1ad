/** More output than anybody wants: counted, cut, held back; never kept in memory. */
import { afterEach, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { peakRssKib, rssKib, until } from '../../rig/observe.ts'
import { connectPeer } from '../../rig/peer.ts'

let daemon: DaemonRig
const start = async (settings: Record<string, string> = {}) => {
  daemon = await startDaemonRig({ config: settings })
}
afterEach(() => daemon.stop())

const GIB = 1024 ** 3
const exec = (fields: object) => ({ version: 1, type: 'exec', id: 'a', token: daemon.token, ...fields })

test('2 GiB of output are cut at the limit and counted to the last byte', async () => {
  await start()
  const before = rssKib(daemon.pid)
  await undisturbed(daemon, async () => {
    const peer = await connectPeer(daemon.socket)
    peer.ask(
      exec({
        command: 'head -c 2147483648 /dev/zero | tr "\\0" y',
        timeout_ms: 200_000,
        max_stdout_bytes: 1000,
      }),
    )
    expect(await peer.answer()).toMatchObject({
      status: 'ok',
      stdout: 'y'.repeat(1000),
      stdout_truncated: true,
      stdout_original_bytes: 2 * GIB,
    })
  })
  expect(peakRssKib(daemon.pid) - before).toBeLessThan(64 * 1024)
})

test('output without an end is cut at the limit of time, and both streams are counted', async () => {
  await start()
  const before = rssKib(daemon.pid)
  await undisturbed(daemon, async () => {
    const peer = await connectPeer(daemon.socket)
    peer.ask(exec({ command: 'yes & yes >&2', timeout_ms: 1000, max_stdout_bytes: 10, max_stderr_bytes: 10 }))
    const answer = await peer.answer()
    expect(answer).toMatchObject({
      status: 'timeout',
      exit_code: -2,
      stdout_truncated: true,
      stderr_truncated: true,
    })
    expect(answer['stdout_original_bytes']).toBeGreaterThan(1_000_000)
  })
  expect(peakRssKib(daemon.pid) - before).toBeLessThan(64 * 1024)
})

test('a reader of a stream that stops reading slows its command, and nobody else', async () => {
  await start()
  const before = rssKib(daemon.pid)
  await undisturbed(daemon, async () => {
    const peer = await connectPeer(daemon.socket)
    peer.socket.pause()
    peer.ask(exec({ argv: ['head', '-c', '300000000', '/dev/zero'], stream: true, keep_alive: true }))
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(rssKib(daemon.pid) - before).toBeLessThan(32 * 1024)
    peer.socket.resume()
    let bytes = 0
    for (;;) {
      const payload = await peer.next()
      if (payload === null) throw new Error('the stream ended without an answer')
      if (payload[0] === 0x7b) {
        expect(JSON.parse(payload.toString())).toMatchObject({
          status: 'ok',
          stdout_original_bytes: 300_000_000,
        })
        break
      }
      bytes += payload.length - 2 - payload[1]!
    }
    expect(bytes).toBe(300_000_000)
    peer.destroy()
  })
  expect(peakRssKib(daemon.pid) - before).toBeLessThan(64 * 1024)
})

test('another request on the same connection is answered when its own frames can be sent', async () => {
  await start()
  const peer = await connectPeer(daemon.socket)
  peer.ask(exec({ id: 'flood', argv: ['yes'], stream: true, keep_alive: true, timeout_ms: 3000 }))
  peer.ask(exec({ id: 'quick', argv: ['echo', 'hi'], keep_alive: true }))
  expect(await peer.answer()).toMatchObject({ id: 'quick', stdout: 'hi\n' })
  expect(await peer.answer()).toMatchObject({ id: 'flood', status: 'timeout' })
  peer.destroy()
})

test('a reader that never reads again is dropped, its command is ended and its slot is free', async () => {
  await start({ max_concurrent: '1' })
  const before = rssKib(daemon.pid)
  const peer = await connectPeer(daemon.socket)
  peer.socket.pause()
  peer.ask(exec({ argv: ['yes'], stream: true, timeout_ms: 300_000 }))
  await undisturbed(daemon, () =>
    until(
      'the slot is free',
      async () => {
        const other = await connectPeer(daemon.socket)
        other.ask(exec({ argv: ['true'] }))
        const { status } = await other.answer()
        return status === 'ok'
      },
      50_000,
    ),
  )
  expect(rssKib(daemon.pid) - before).toBeLessThan(32 * 1024)
  peer.destroy()
}, 90_000)

const ASKED = 1_000_000
/** answer-text.ts: the frame, and twice the output while it is made; the rest is what V8 has not yet collected. */
const MOST_PER_BYTE = 12

test.each([
  ['as much as was asked for', 'head -c 1000000 /dev/zero'],
  ['sixty times of it', 'head -c 60000000 /dev/zero'],
  ['text', 'yes | head -c 1000000'],
  ['all of it escaped', 'head -c 1000000 /dev/zero | tr "\\0" "\\001"'],
])('large answers to readers that do not read are bounded by what was asked for: %s', async (_, command) => {
  await start()
  const before = rssKib(daemon.pid)
  await undisturbed(daemon, async () => {
    const peers = await Promise.all(Array.from({ length: 8 }, () => connectPeer(daemon.socket)))
    for (const peer of peers) {
      peer.socket.pause()
      peer.ask(exec({ command, max_stdout_bytes: ASKED }))
    }
    await new Promise(resolve => setTimeout(resolve, 1000))
    for (const peer of peers) peer.destroy()
  })
  expect(peakRssKib(daemon.pid) - before).toBeLessThan((8 * MOST_PER_BYTE * ASKED) / 1024)
})

test('an answer that would be larger than a frame may be is answered all the same', async () => {
  await start({ max_output_bytes: '0', default_max_output_bytes: '1000000000' })
  const peer = await connectPeer(daemon.socket)
  // Each control byte becomes six in JSON: 60 MB of them do not fit into 128 MiB.
  peer.ask(exec({ command: 'head -c 60000000 /dev/zero | tr "\\0" "\\001"', timeout_ms: 60_000 }))
  const answer = await peer.answer()
  expect(answer).toMatchObject({
    id: 'a',
    status: 'ok',
    stdout_original_bytes: 60_000_000,
    stdout_truncated: true,
  })
  peer.destroy()
})
