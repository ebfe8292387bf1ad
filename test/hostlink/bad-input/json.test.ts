/** JSON that is made to hurt: one answer, little time, little memory. Exact answers are in the vectors. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { rssKib } from '../../rig/observe.ts'
import { connectPeer, frame } from '../../rig/peer.ts'

let daemon: DaemonRig
beforeAll(async () => {
  daemon = await startDaemonRig()
})
afterAll(() => daemon.stop())

const MIB = 1024 * 1024
const TIMES = 12

/** Sends it many times, so that a cost in memory or time is seen; answers the distinct answers. */
async function answersTo(payload: Uint8Array): Promise<unknown[]> {
  const before = rssKib(daemon.pid)
  const seen = new Map<string, unknown>()
  await undisturbed(daemon, async () => {
    for (let i = 0; i < TIMES; i++) {
      const peer = await connectPeer(daemon.socket)
      peer.send(frame(payload))
      const { uptime_s: _, ...answer } = await peer.answer()
      seen.set(JSON.stringify(answer), answer)
      await peer.closed
    }
  })
  expect(rssKib(daemon.pid) - before).toBeLessThan(96 * 1024)
  return [...seen.values()]
}

const invalid = { id: '', status: 'bad_request', error_msg: expect.stringMatching(/^invalid JSON/) }
const open = () => `{"version":1,"type":"ping","id":"a","token":"${daemon.token}","x":`
const text = (parts: string[]) => Buffer.from(parts.join(''))

test('two million brackets', async () => {
  const payload = text([open(), '['.repeat(MIB - 100), ']'.repeat(MIB - 100), '}'])
  expect(await answersTo(payload)).toMatchObject([invalid])
})

test('two million brackets that never close', async () => {
  expect(await answersTo(text(['['.repeat(2 * MIB)]))).toMatchObject([invalid])
})

test('deeply nested objects', async () => {
  expect(await answersTo(text([open(), '{"a":'.repeat(300_000), '1', '}'.repeat(300_001)]))).toMatchObject([
    invalid,
  ])
})

test('a million numbers', async () => {
  expect(await answersTo(text([open(), '[1', ',1'.repeat(MIB - 200), ']}']))).toMatchObject([invalid])
})

test('a million empty arrays', async () => {
  expect(await answersTo(text([open(), '[[]', ',[]'.repeat(600_000), ']}']))).toMatchObject([invalid])
})

test('a hundred and fifty thousand different keys', async () => {
  const keys = Array.from({ length: 150_000 }, (_, i) => `"k${i}":1`)
  expect(await answersTo(text([open(), '{', keys.join(','), '}}']))).toMatchObject([invalid])
})

test('keys that are all array indices, or share a prefix', async () => {
  const keys = Array.from({ length: 4500 }, (_, i) => `"${i * 97}":1,"${'p'.repeat(20)}${i}":1`)
  expect(await answersTo(text([open(), '{', keys.join(','), '}}']))).toMatchObject([{ status: 'ok' }])
})

test('one string of 2 MiB', async () => {
  expect(await answersTo(text([open(), '"', 'x'.repeat(2 * MIB - 200), '"}']))).toMatchObject([
    { status: 'ok' },
  ])
})

test('one string of nothing but escapes', async () => {
  expect(await answersTo(text([open(), '"', '\\u0000'.repeat(300_000), '"}']))).toMatchObject([
    { status: 'ok' },
  ])
})

test('one string of backslashes that does not end', async () => {
  expect(await answersTo(text([open(), '"', '\\\\'.repeat(MIB - 200)]))).toMatchObject([invalid])
})

test('a number of a million digits', async () => {
  expect(await answersTo(text([open(), '9'.repeat(MIB), '}']))).toMatchObject([{ status: 'ok' }])
})

test('2 MiB of white space', async () => {
  expect(await answersTo(Buffer.alloc(2 * MIB, 0x20))).toMatchObject([invalid])
})

test('2 MiB of NUL', async () => {
  expect(await answersTo(Buffer.alloc(2 * MIB))).toMatchObject([invalid])
})

test('2 MiB of bytes that UTF-8 never has', async () => {
  expect(await answersTo(Buffer.alloc(2 * MIB, 0xff))).toMatchObject([invalid])
})

test('a key twice, at the end of a large object', async () => {
  const keys = Array.from({ length: 9000 }, (_, i) => `"k${i}":1`)
  expect(await answersTo(text([open(), '{', keys.join(','), ',"k0":2}}']))).toMatchObject([invalid])
})

test('more than 2 MiB of it: refused at the header', async () => {
  const large = { id: '', status: 'bad_request', error_msg: 'request too large (at most 2097152 bytes)' }
  expect(await answersTo(text([open(), '['.repeat(16 * MIB)]).subarray(0, 2 * MIB + 1))).toMatchObject([
    large,
  ])
})

test('a connection with a right token may send 8 MiB of it, and is told the same', async () => {
  await undisturbed(daemon, async () => {
    const peer = await connectPeer(daemon.socket)
    peer.ask({ version: 1, type: 'ping', id: 'a', token: daemon.token, keep_alive: true })
    expect((await peer.answer()).status).toBe('ok')
    peer.send(frame(text([open(), '[1', ',1'.repeat(4 * MIB - 200), ']}'])))
    expect(await peer.answer()).toMatchObject(invalid)
    await peer.closed
  })
})

test.each(['type', 'id', 'token', 'command', 'workdir', 'key', 'action', 'job_id'])(
  'NUL and invalid UTF-8 in %s',
  async field => {
    for (const bytes of ['\\u0000', '\0', '\xff', '\xc3', '\xed\xa0\x80']) {
      const fields = {
        version: '1',
        type: '"exec"',
        id: '"a"',
        token: `"${daemon.token}"`,
        command: '"true"',
      }
      const body = Object.entries({ ...fields, [field]: `"a${bytes}b"` })
      const peer = await connectPeer(daemon.socket)
      peer.send(
        frame(Buffer.from(`{${body.map(([key, value]) => `"${key}":${value}`).join(',')}}`, 'latin1')),
      )
      const answer = await peer.answer()
      // An escaped NUL is valid JSON: it is echoed in an id, unknown as a type, wrong as a token, refused elsewhere.
      if (bytes !== '\\u0000') expect(answer).toMatchObject(invalid)
      else if (field === 'id' || field === 'action' || field === 'job_id')
        expect(answer).toMatchObject({ status: 'ok' })
      else expect(['auth_failed', 'bad_request']).toContain(answer.status)
      peer.destroy()
    }
  },
)
