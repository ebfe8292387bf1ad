/** Against our own daemon, the real one. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openTransport } from '../../src/transport/connect.ts'
import type { ExecOptions, Transport } from '../../src/transport/transport.ts'
import { type DaemonRig, type RigOptions, startDaemonRig } from '../rig/daemon.ts'
import { cutLinksTo, type LinkCutter } from '../rig/link-cutter.ts'
import { drive } from '../rig/transport-driver.ts'
import { transportContract } from './contract.ts'

const envOf = (daemon: { socket: string; token: string }) => ({
  HOSTLINK_SOCKET: daemon.socket,
  HOSTLINK_TOKEN: daemon.token,
})

async function reach(env: Record<string, string>): Promise<Transport> {
  const connected = await openTransport('hostlink', { env })
  if (!connected.ok) throw new Error(JSON.stringify(connected))
  return connected.transport
}

transportContract('hostlink', {
  traits: {
    namesSignals: true,
    knowsNotStarted: true,
    exactBytes: true,
    live: true,
    cancels: true,
    endsWithCommand: true,
    durable: true,
    keys: true,
  },
  open: async () => {
    const daemon = await startDaemonRig()
    const env = envOf(daemon)
    const transport = await reach(env)
    const close = async () => {
      await transport.close()
      await daemon.stop()
    }
    return { transport, target: 'hostlink', options: { env }, close }
  },
})

describe('hostlink, when things go wrong', () => {
  let folder: string
  let daemon: DaemonRig
  let cutter: LinkCutter | undefined
  let transport: Transport | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hostops-link-'))
  })
  afterEach(async () => {
    await transport?.close()
    await cutter?.stop()
    await daemon.stop()
    transport = cutter = undefined
    rmSync(folder, { recursive: true, force: true })
  })
  const open = async (rig: RigOptions = {}) => {
    daemon = await startDaemonRig(rig)
    cutter = await cutLinksTo(daemon.socket)
    transport = await reach({ ...envOf(daemon), HOSTLINK_SOCKET: cutter.socket })
    return { transport, cutter }
  }
  const exec = (script: string, options: Partial<ExecOptions> = {}, ...args: string[]) =>
    transport!.exec({ argv: ['/bin/sh', '-c', script, 'sh', ...args] }, { timeoutMs: 60_000, ...options })
  const size = (file: string) => (existsSync(file) ? statSync(file).size : 0)
  const until = async (condition: () => boolean) => {
    for (let tries = 0; !condition(); tries++) {
      if (tries > 600) throw new Error('waited in vain')
      await sleep(50)
    }
  }
  const untilStill = async (file: string) => {
    let before = -1
    await until(() => {
      const still = size(file) === before
      before = size(file)
      return still
    })
  }
  const beat = 'while :; do echo >> "$1"; sleep 0.02; done'
  const counting =
    'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; echo x >> "$1"; sleep 0.03; done; exit 3'
  const counted = Array.from({ length: 60 }, (_, index) => `line ${index + 1}\n`).join('')

  it('the link is cut under a command without a key: lost, the command is ended, the next one runs', async () => {
    const { cutter } = await open()
    const file = join(folder, 'beat')
    const running = exec(beat, {}, file)
    await until(() => size(file) > 3)
    cutter.cut()
    expect(await running).toMatchObject({ kind: 'lost' })
    await untilStill(file)
    expect(await exec('exit 4')).toMatchObject({ kind: 'exited', code: 4 })
  })

  it('the link is cut under a command with a key: attached again, nothing missing, nothing twice', async () => {
    const { cutter } = await open()
    const file = join(folder, 'count')
    const seen: string[] = []
    const running = exec(
      counting,
      { key: 'k'.repeat(300), onOutput: (_, chunk) => seen.push(chunk.toString()) },
      file,
    )
    for (const line of ['line 5\n', 'line 20\n', 'line 40\n']) {
      await until(() => seen.join('').includes(line))
      cutter.cut()
    }
    const result = await running
    expect(result).toMatchObject({ kind: 'exited', code: 3, stdoutTruncated: false })
    expect(seen.join('')).toBe(counted)
    expect(result.kind === 'exited' && result.stdout.toString()).toBe(counted)
    expect(size(file)).toBe(120)
  })

  it('the link is cut under more output than the daemon keeps for later: the gap is told', async () => {
    const { cutter } = await open()
    const go = join(folder, 'go')
    let bytes = 0
    const script =
      'yes 0123456789abcde | head -c 4000000; while [ ! -e "$1" ]; do sleep 0.02; done; yes x | head -c 3000000; exit 5'
    const onOutput = (_: string, chunk: Buffer) => {
      bytes += chunk.length
    }
    const running = exec(script, { key: 'gap', onOutput, keepBytes: 10_000_000 }, go)
    await until(() => bytes >= 4_000_000)
    cutter.cut()
    writeFileSync(go, '')
    expect(await running).toMatchObject({ kind: 'exited', code: 5, stdoutTruncated: true })
  })

  it('the daemon is killed under a command: lost, never an exit code', async () => {
    await open()
    const file = join(folder, 'beat')
    for (const key of [undefined, 'key']) {
      const running = exec(
        'while :; do echo >> "$1"; sleep 0.05; [ -e "$1.end" ] && exit 0; done',
        { key },
        file,
      )
      const before = size(file)
      await until(() => size(file) > before + 3)
      if (key !== undefined) daemon.signal('SIGKILL')
      else cutter!.cut()
      expect(await running).toMatchObject({ kind: 'lost' })
    }
    writeFileSync(`${file}.end`, '')
    await untilStill(file)
    // The cutter answers for the daemon, so that a connection can be made.
    expect(await exec('exit 0')).toMatchObject({ kind: expect.stringMatching(/^(lost|unreachable)$/) })
  })

  it('a durable command goes on while the daemon is killed and started anew', async () => {
    const socket = join(folder, 'daemon.sock')
    const config = {
      unix_path: socket,
      output_tmpdir: join(folder, 'output'),
      runs_state_dir: join(folder, 'state'),
    }
    daemon = await startDaemonRig({ config })
    transport = await reach(envOf(daemon))
    const file = join(folder, 'count')
    const seen: string[] = []
    const running = exec(
      counting,
      { durable: true, onOutput: (_, chunk) => seen.push(chunk.toString()) },
      file,
    )
    await until(() => seen.join('').includes('line 3\n'))
    daemon.signal('SIGKILL')
    await daemon.ended
    await daemon.stop()
    daemon = await startDaemonRig({ config })
    expect(await running).toMatchObject({ kind: 'exited', code: 3 })
    expect(seen.join('')).toBe(counted)
    expect(size(file)).toBe(120)
  })

  it('what needs more than the daemon allows for a command goes as a job', async () => {
    await open({ config: { max_timeout_ms: 700 } })
    expect(await exec('sleep 1.2; echo end; exit 6', { timeoutMs: 20_000 })).toMatchObject({
      kind: 'exited',
      code: 6,
    })
    expect(await exec('sleep 20', { timeoutMs: 600 })).toMatchObject({ kind: 'timeout' })
    expect(await exec('sleep 20', { timeoutMs: 1500 })).toMatchObject({ kind: 'timeout' })
  })

  it('more commands at once than the daemon takes', async () => {
    await open({ config: { max_concurrent: 2 } })
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) => exec(`sleep 0.1; exit ${index}`)),
    )
    expect(results.map(result => result.kind === 'exited' && result.code)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('a daemon that stays busy: not started, and said so', async () => {
    await open({ config: { max_concurrent: 1 } })
    const long = exec('sleep 30', { timeoutMs: 40_000 })
    await sleep(300)
    expect(await exec('true')).toMatchObject({ kind: 'not-started', why: 'busy' })
    await transport!.close()
    expect(await long).toMatchObject({ kind: 'lost' })
  })

  it('arguments that no system takes, and a request that no daemon takes', async () => {
    await open()
    expect(await exec('true', {}, 'x'.repeat(200_000))).toMatchObject({
      kind: 'not-started',
      why: 'too-large',
    })
    expect(await exec('true', {}, 'x'.repeat(9_000_000))).toMatchObject({
      kind: 'not-started',
      why: 'too-large',
    })
    expect(await exec('exit 2')).toMatchObject({ kind: 'exited', code: 2 })
  })

  it('one connection for the questions and one for each command at a time, used again and again', async () => {
    const { cutter } = await open()
    for (let index = 0; index < 20; index++) await exec('true')
    expect(cutter.connections()).toBeLessThanOrEqual(2)
  })

  it('this process is killed: the command ends, unless it has a key', async () => {
    daemon = await startDaemonRig()
    const file = join(folder, 'beat')
    const argv = ['/bin/sh', '-c', beat, 'sh', file]
    const driven = await drive({ target: 'hostlink', options: { env: envOf(daemon) }, argv, exec: {} })
    await until(() => size(file) > 3)
    driven.kill()
    await driven.ended
    await untilStill(file)
  })

  it('a wrong token, nobody there, no token, no such target', async () => {
    daemon = await startDaemonRig()
    const env = envOf(daemon)
    const tried = (more: Record<string, string>, target = 'hostlink') =>
      openTransport(target, { env: { ...env, ...more } })
    expect(await tried({ HOSTLINK_TOKEN: 'wrong-token-0123456789' })).toEqual({
      ok: false,
      problem: 'auth-failed',
    })
    expect(await tried({ HOSTLINK_SOCKET: join(folder, 'none') })).toMatchObject({
      problem: 'unreachable',
      reason: expect.stringContaining('No such file'),
      hint: expect.stringContaining('hostlinkd'),
    })
    expect(await tried({ HOSTLINK_TOKEN: '' })).toMatchObject({
      problem: 'bad-target',
      hint: expect.stringContaining('HOSTLINK_TOKEN_FILE'),
    })
    const targets = join(folder, 'targets.conf')
    writeFileSync(targets, `[desk]\nsocket = ${daemon.socket}\ntoken = ${daemon.token}\n`)
    expect(await tried({ HOSTLINK_TARGETS: targets }, 'hostlink:desc')).toMatchObject({
      problem: 'bad-target',
      hint: expect.stringContaining('desk'),
    })
    const named = await tried({ HOSTLINK_TARGETS: targets, HOSTLINK_TOKEN: '' }, 'hostlink:desk')
    if (!named.ok) throw new Error(JSON.stringify(named))
    expect(named.transport.name).toBe('hostlink:desk')
    expect(named.transport.startsOnce).toBe(true)
    await named.transport.close()
  })

  it('a token that may not', async () => {
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 })
      return join(folder, name)
    }
    const token = 'narrow-token-0123456789'
    const tokenFile = file('token', token)
    const rules = `policy: allowlist, allow: [{ argv: [echo, '{name}'] }]`
    const policy = file('policy.yaml', `tokens:\n  narrow: { token_file: ${tokenFile}, ${rules} }\n`)
    daemon = await startDaemonRig({ config: { policy_file: policy } })
    transport = await reach(envOf({ socket: daemon.socket, token }))
    expect(await transport.exec({ argv: ['echo', 'yes'] }, { timeoutMs: 9000 })).toMatchObject({
      kind: 'exited',
      code: 0,
    })
    const denied = await exec('touch "$1"', {}, join(folder, 'ran'))
    expect(denied).toMatchObject({ kind: 'denied', rule: expect.stringContaining('narrow') })
    expect(await exec('true', { durable: true })).toMatchObject({ kind: 'denied' })
    expect(existsSync(join(folder, 'ran'))).toBe(false)
  })
})
