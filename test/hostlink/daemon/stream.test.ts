/** Streams, keys, cancellation and departures, on the real daemon. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Asking, asking } from '../../rig/ask.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { isRunning, peakRssKib, rssKib, until } from '../../rig/observe.ts'
import type { Answer, Peer } from '../../rig/peer.ts'

let daemon: DaemonRig
let on: Asking
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-stream-'))
  daemon = await startDaemonRig({ config: { max_concurrent: 16 } })
  on = await asking(daemon)
})
afterAll(async () => {
  await daemon.stop()
  rmSync(folder, { recursive: true, force: true })
})

type Streamed = { answer: Answer; stdout: Buffer; stderr: Buffer; ids: Set<string> }

async function streamed(peer: Peer): Promise<Streamed> {
  const parts: Record<1 | 2, Buffer[]> = { 1: [], 2: [] }
  const ids = new Set<string>()
  for (;;) {
    const payload = await peer.next()
    if (payload === null) throw new Error('ended without an answer')
    const tag = payload[0]
    if (tag !== 1 && tag !== 2) {
      const answer = JSON.parse(payload.toString())
      return { answer, stdout: Buffer.concat(parts[1]), stderr: Buffer.concat(parts[2]), ids }
    }
    ids.add(payload.toString('utf8', 2, 2 + payload[1]!))
    parts[tag].push(payload.subarray(2 + payload[1]!))
  }
}

const stream = async (fields: object) => {
  on.send({ type: 'exec', stream: true, ...fields })
  return streamed(on.peer)
}
let files = 0
/** A command that notes its pid and then lasts; and how to learn the pid. */
function lasting(): { command: string; pid: () => Promise<number> } {
  const file = join(folder, `pid-${++files}`)
  const pid = async () => {
    let text = ''
    await until('the command runs', () => {
      try {
        text = readFileSync(file, 'utf8')
      } catch {}
      return text.endsWith('\n')
    })
    return Number(text)
  }
  return { command: `echo $$ >${file}; echo begun; sleep 60 & wait`, pid }
}

describe('a stream', () => {
  test('carries raw bytes of both streams, then the answer without texts', async () => {
    const { answer, stdout, stderr, ids } = await stream({
      id: 'ü',
      command: "printf 'a\\0\\377b'; printf err >&2; exit 4",
    })
    expect(stdout).toEqual(Buffer.from([0x61, 0, 0xff, 0x62]))
    expect(stderr.toString()).toBe('err')
    expect([...ids]).toEqual(['ü'])
    expect(answer).toMatchObject({
      id: 'ü',
      status: 'ok',
      exit_code: 4,
      stdout_original_bytes: 4,
      stdout_truncated: false,
    })
    expect(answer).not.toHaveProperty('stdout')
    expect(answer).not.toHaveProperty('stdout_binary')
  })

  test('comes while the command runs', async () => {
    const { command } = lasting()
    on.send({ type: 'exec', id: 'live', stream: true, command })
    expect((await on.peer.next())!.toString('utf8', 6)).toBe('begun\n')
    on.send({ type: 'cancel', id: 'c', target_id: 'live' })
    const ids = [(await on.peer.answer()).id, (await on.peer.answer()).id]
    expect(ids.sort()).toEqual(['c', 'live'])
  })

  test('of 200 MiB arrives whole, with flat memory', async () => {
    const { peer } = await asking(daemon)
    const before = peakRssKib(daemon.pid)
    peer.ask({
      type: 'exec',
      id: 'big',
      token: daemon.token,
      stream: true,
      argv: ['head', '-c', '209715200', '/dev/zero'],
    })
    let bytes = 0
    let last: Buffer | null = null
    for (let payload = await peer.next(); payload; payload = await peer.next()) {
      last = payload
      if (payload[0] === 1) bytes += payload.length - 5
    }
    expect(JSON.parse(last!.toString())).toMatchObject({ status: 'ok', stdout_original_bytes: 209_715_200 })
    expect(bytes).toBe(209_715_200)
    expect(peakRssKib(daemon.pid) - before).toBeLessThan(64 * 1024)
  })

  test('of many pieces has each byte at its place, and so has the answer without a stream', async () => {
    const numbers = Array.from({ length: 200_000 }, (_, n) => `${n + 1}\n`).join('')
    const command = 'seq 200000; seq 200000 >&2'
    const { stdout, stderr } = await stream({ id: 'pieces', command })
    expect([stdout.toString() === numbers, stderr.toString() === numbers]).toEqual([true, true])
    on.send({ type: 'exec', id: 'at once', command })
    const answer = await on.peer.answer()
    expect([answer['stdout'] === numbers, answer['stderr'] === numbers]).toEqual([true, true])
  })

  test('that nobody reads stops the command, and nobody else', async () => {
    const { peer } = await asking(daemon)
    const file = join(folder, 'progress')
    peer.socket.pause()
    const command = `i=0; while [ $i -lt 400 ]; do head -c 100000 /dev/zero; i=$((i+1)); echo $i >${file}; done`
    peer.ask({ type: 'exec', id: 'slow', token: daemon.token, stream: true, command })
    const progress = () => {
      try {
        return readFileSync(file, 'utf8')
      } catch {
        return ''
      }
    }
    let before = ''
    await until('it stands still', async () => {
      before = progress()
      await sleep(400)
      return before !== '' && before === progress()
    })
    expect(Number(before)).toBeLessThan(300)
    expect((await on.ask({ type: 'exec', argv: ['echo', 'x'] }))['stdout']).toBe('x\n')
    expect(rssKib(daemon.pid)).toBeLessThan(300 * 1024)
    peer.socket.resume()
    expect((await streamed(peer)).stdout).toHaveLength(40_000_000)
  })
})

describe('a key', () => {
  test('starts once; whoever comes later, running or finished, gets the same end', async () => {
    const file = join(folder, 'once')
    const request = { type: 'exec', key: 'k1', command: `echo x >>${file}; sleep 0.5; cat ${file}; exit 5` }
    const other = await asking(daemon)
    on.send({ ...request, id: 'first' })
    await on.ask({ type: 'ping' })
    const second = other.ask({ ...request, id: 'second' })
    const first = await on.peer.answer()
    expect(first).toMatchObject({ id: 'first', exit_code: 5, stdout: 'x\n' })
    expect(first).not.toHaveProperty('attached')
    expect(await second).toMatchObject({ id: 'second', exit_code: 5, stdout: 'x\n', attached: true })
    expect(await other.ask({ ...request, id: 'third' })).toMatchObject({
      id: 'third',
      stdout: 'x\n',
      attached: true,
    })
    expect(await other.ask({ ...request, max_stdout_bytes: 1 })).toMatchObject({
      stdout: 'x',
      stdout_truncated: true,
    })
    other.peer.destroy()
  })

  test.each([
    { command: 'true;' },
    { argv: ['true'] },
    { command: 'true', env: { A: 'b' } },
    { command: 'true', workdir: '/' },
  ])('of another command is refused: %j', async different => {
    await on.ask({ type: 'exec', key: 'k2', command: 'true' })
    expect(await on.ask({ type: 'exec', key: 'k2', ...different })).toMatchObject({
      status: 'bad_request',
      error_msg: 'key was used for another command',
    })
  })

  test('lets one attach to a stream: what was kept, then what comes', async () => {
    const request = { type: 'exec', stream: true, key: 'k3', command: 'echo one; sleep 0.7; echo two' }
    const other = await asking(daemon)
    on.send({ ...request, id: 'a' })
    await sleep(300)
    other.send({ ...request, id: 'b' })
    expect((await streamed(on.peer)).stdout.toString()).toBe('one\ntwo\n')
    expect(await streamed(other.peer)).toMatchObject({
      stdout: Buffer.from('one\ntwo\n'),
      answer: { attached: true },
    })
    other.send({ ...request, id: 'c' })
    expect((await streamed(other.peer)).stdout.toString()).toBe('one\ntwo\n')
    other.peer.destroy()
  })

  test('keeps the last MiB of a stream', async () => {
    const request = { key: 'k4', command: 'head -c 3000000 /dev/zero; printf end' }
    expect((await stream(request)).stdout).toHaveLength(3_000_003)
    const later = await stream(request)
    expect(later.stdout).toHaveLength(1024 * 1024)
    expect(later.stdout.subarray(-4).toString()).toBe('\0end')
    expect(later.answer).toMatchObject({ attached: true, stdout_original_bytes: 3_000_003 })
  })

  test('attaches when all slots are taken, too', async () => {
    const small = await startDaemonRig({ config: { max_concurrent: 1 } })
    const [a, b] = [await asking(small), await asking(small)]
    const request = { type: 'exec', key: 'k', command: 'sleep 0.6; echo x' }
    a.send(request)
    await a.ask({ type: 'ping' })
    expect(await b.ask({ type: 'exec', command: 'true' })).toMatchObject({ status: 'error' })
    expect(await b.ask(request)).toMatchObject({ status: 'ok', attached: true, stdout: 'x\n' })
    await small.stop()
  })
})

describe('cancel', () => {
  test.each(['TERM', 'SIGKILL', undefined])('by id, with signal %s', async signal => {
    const { command, pid } = lasting()
    on.send({ type: 'exec', id: 'target', command })
    const running = await pid()
    const other = await asking(daemon)
    expect(await other.ask({ type: 'cancel', target_id: 'target', signal })).toMatchObject({
      status: 'ok',
      cancelled: true,
    })
    expect(await on.peer.answer()).toMatchObject({
      id: 'target',
      status: 'error',
      error_msg: 'cancelled',
      exit_code: -1,
      stdout: 'begun\n',
      cancelled: true,
      signal: signal === 'SIGKILL' ? 'SIGKILL' : 'SIGTERM',
    })
    expect(isRunning(running)).toBe(false)
    other.peer.destroy()
  })

  test('by key; what has ended is not cancelled', async () => {
    const { command, pid } = lasting()
    on.send({ type: 'exec', id: 'keyed', key: 'c1', command })
    await pid()
    const other = await asking(daemon)
    expect(await other.ask({ type: 'cancel', key: 'c1' })).toMatchObject({ cancelled: true })
    expect(await on.peer.answer()).toMatchObject({ id: 'keyed', cancelled: true })
    expect(await other.ask({ type: 'cancel', key: 'c1' })).toMatchObject({ status: 'ok', cancelled: false })
    expect(await other.ask({ type: 'cancel', target_id: 'nobody' })).toMatchObject({ cancelled: false })
    expect(await other.ask({ type: 'cancel', target_id: 'x', signal: 'STOP' })).toMatchObject({
      status: 'bad_request',
    })
    expect(await other.ask({ type: 'cancel' })).toMatchObject({ status: 'bad_request' })
    other.peer.destroy()
  })
})

describe('a client that goes away', () => {
  const leave = async (fields: object, how: (peer: Peer) => void) => {
    const { command, pid } = lasting()
    const { peer } = await asking(daemon)
    peer.ask({ type: 'exec', id: 'x', token: daemon.token, command, ...fields })
    const running = await pid()
    how(peer)
    return { running, peer }
  }
  const close = (peer: Peer) => peer.destroy()
  const halfClose = (peer: Peer) => peer.end()

  test('ends its command, by default', async () => {
    const { running } = await leave({}, close)
    await until('it has ended', () => !isRunning(running))
  })

  test('ends it when it only shut down its writing side, if it said so', async () => {
    const { running, peer } = await leave({ cancel_on_disconnect: true }, halfClose)
    expect(await peer.answer()).toMatchObject({ cancelled: true })
    expect(isRunning(running)).toBe(false)
  })

  test('is still there, by default, when it only shut down its writing side', async () => {
    const { running, peer } = await leave({}, halfClose)
    await sleep(1500)
    expect(isRunning(running)).toBe(true)
    await on.ask({ type: 'cancel', target_id: 'x' })
    expect(await peer.answer()).toMatchObject({ cancelled: true })
  })

  test('after shutting down its writing side is noticed all the same', async () => {
    const { running, peer } = await leave({}, halfClose)
    await sleep(200)
    peer.destroy()
    await until('it has ended', () => !isRunning(running))
  })

  test('lets it go on, if it said so', async () => {
    const { running } = await leave({ cancel_on_disconnect: false }, close)
    await sleep(1300)
    expect(isRunning(running)).toBe(true)
    expect(await on.ask({ type: 'cancel', target_id: 'x' })).toMatchObject({ cancelled: true })
    await until('it has ended', () => !isRunning(running))
  })

  test('of several at one key, only the last one ends it', async () => {
    const { command, pid } = lasting()
    const [a, b] = [await asking(daemon), await asking(daemon)]
    a.send({ type: 'exec', key: 'shared', command })
    const running = await pid()
    b.send({ type: 'exec', key: 'shared', command })
    await b.ask({ type: 'ping' })
    a.peer.destroy()
    await sleep(300)
    expect(isRunning(running)).toBe(true)
    b.peer.destroy()
    await until('it has ended', () => !isRunning(running))
  })
})
