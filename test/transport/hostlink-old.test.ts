/** Against the existing C daemon, as the rig fakes it: no argv, no streams, one request per connection. */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTransport } from '../../src/transport/connect.ts'
import type { ExecOptions, Transport } from '../../src/transport/transport.ts'
import { type OldDaemon, type OldDaemonOptions, startOldDaemon } from '../rig/old-daemon.ts'
import { transportContract } from './contract.ts'

transportContract('hostlink over the existing daemon', {
  traits: {
    namesSignals: false,
    knowsNotStarted: false,
    exactBytes: false,
    live: false,
    cancels: false,
    endsWithCommand: false,
    durable: true,
    keys: false,
    isSlow: true,
  },
  open: async () => {
    const daemon = await startOldDaemon()
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    const connected = await openTransport('hostlink', { env })
    if (!connected.ok) throw new Error(JSON.stringify(connected))
    const { transport } = connected
    const close = async () => {
      await transport.close()
      await daemon.stop()
    }
    return { transport, target: 'hostlink', options: { env }, close }
  },
})

describe('the existing daemon, where it is weak', () => {
  let folder: string
  let daemon: OldDaemon
  let transport: Transport
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hostops-old-'))
  })
  afterEach(async () => {
    await transport.close()
    await daemon.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const open = async (options: OldDaemonOptions = {}) => {
    daemon = await startOldDaemon(options)
    const connected = await openTransport('hostlink', {
      env: { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token },
    })
    if (!connected.ok) throw new Error(JSON.stringify(connected))
    transport = connected.transport
  }
  const exec = (argv: string[], options: Partial<ExecOptions> = {}, more = {}) =>
    transport.exec({ argv, ...more }, { timeoutMs: 20_000, ...options })

  it('promises no start-once', async () => {
    await open()
    expect(transport.startsOnce).toBe(false)
    expect(await exec(['true'], { key: 'k' })).toMatchObject({ kind: 'exited', code: 0 })
    expect(
      daemon.requests.every(request => request['key'] === undefined && request['argv'] === undefined),
    ).toBe(true)
  })

  it('8191 bytes of shell text are its most', async () => {
    await open()
    // exec 'printf' %s WORD
    const most = 8191 - "exec 'printf' %s ".length
    const fits = await exec(['printf', '%s', 'x'.repeat(most)])
    expect(fits.kind === 'exited' && fits.stdout.length).toBe(most)
    expect(await exec(['printf', '%s', 'x'.repeat(most + 1)])).toEqual({
      kind: 'not-started',
      why: 'too-large',
      detail: expect.stringContaining('8192 bytes of shell text'),
    })
  })

  it('folders and variables that it would cut off or lose go in the text', async () => {
    await open()
    const long = join(folder, 'd'.repeat(200), 'e'.repeat(100))
    const made = await exec(['mkdir', '-p', long])
    expect(made).toMatchObject({ kind: 'exited', code: 0 })
    const env = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`V${index}`, String(index)]))
    const result = await exec(['sh', '-c', 'pwd; env | grep -c "^V[0-9]"'], {}, { cwd: long, env })
    expect(result.kind === 'exited' && result.stdout.toString()).toBe(`${long}\n300\n`)
    const asked = daemon.requests.at(-1)!
    expect(asked['workdir']).toBe(undefined)
    expect(Object.keys(asked['env'] as object)).toHaveLength(256)
  })

  it('what needs more than its limit goes as a job, which it is asked for once', async () => {
    await open({ maxTimeoutMs: 600 })
    const slow = ['sh', '-c', 'echo begin; sleep 1.2; echo end; exit 6']
    const result = await exec(slow)
    expect(result).toMatchObject({ kind: 'exited', code: 6 })
    expect(result.kind === 'exited' && result.stdout.toString()).toBe('begin\nend\n')
    expect(daemon.requests.filter(request => request['detach'] === true)).toHaveLength(1)
    expect(await exec(['sleep', '20'], { timeoutMs: 500 })).toMatchObject({ kind: 'timeout' })
  })

  it('jobs are polled at growing intervals', async () => {
    await open()
    await exec(['sleep', '3'], { durable: true })
    expect(daemon.requests.filter(request => request['action'] === 'tail').length).toBeLessThan(24)
  })

  it('output beyond what is asked for is told', async () => {
    await open()
    const result = await exec(['sh', '-c', 'yes | head -c 5000000'], { keepBytes: 100 })
    expect(result).toMatchObject({ kind: 'exited', stdoutTruncated: true, stderrTruncated: false })
  })

  it('cancelled, it cannot end a command: lost, and said so', async () => {
    await open()
    const file = join(folder, 'beat')
    const controller = new AbortController()
    const script = 'i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo >> "$1"; sleep 0.05; done'
    const running = exec(['sh', '-c', script, 'sh', file], { signal: controller.signal })
    while (!existsSync(file) || statSync(file).size < 3) await sleep(20)
    controller.abort()
    expect(await running).toMatchObject({ kind: 'lost', reason: expect.stringContaining('did not say') })
  })
})

describe('a daemon that misbehaves', () => {
  it.each([
    ['no-answer', 'unreachable'],
    ['garbage', 'unreachable'],
    ['bad-json', 'unreachable'],
    ['not-an-object', 'unreachable'],
    ['wrong-id', 'unreachable'],
    ['half-frame', 'unreachable'],
    ['oversized', 'unreachable'],
  ] as const)('%s: %s', async (misbehave, problem) => {
    const daemon = await startOldDaemon({ misbehave })
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    expect(await openTransport('hostlink', { env })).toMatchObject({
      ok: false,
      problem,
      reason: expect.any(String),
    })
    await daemon.stop()
  })

  it('always busy: not started', async () => {
    const daemon = await startOldDaemon({ misbehave: 'busy' })
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    const connected = await openTransport('hostlink', { env })
    if (!connected.ok) throw new Error(JSON.stringify(connected))
    expect(await connected.transport.exec({ argv: ['true'] }, { timeoutMs: 5000 })).toMatchObject({
      kind: 'not-started',
      why: 'busy',
    })
    await daemon.stop()
  })
})
