/** Start, single instance, reload, stop: the daemon's life, with the real binary. */
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asking, askOnce } from '../../rig/ask.ts'
import { changeConfig, HOSTLINKD, startDaemonRig, writeConfig } from '../../rig/daemon.ts'
import { isRunning, until } from '../../rig/observe.ts'
import { connectPeer, peerOn } from '../../rig/peer.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hostops-life-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
function configWith(keys: Record<string, string | number | boolean> = {}) {
  const base = join(folder, `d${++count}`)
  const file = `${base}.conf`
  const socket = `${base}.sock`
  writeConfig(file, {
    auth_token: 'token-0123456789abcdef',
    unix_path: socket,
    output_tmpdir: `${base}.out`,
    runs_state_dir: `${base}.state`,
    ...keys,
  })
  return { file, socket, token: 'token-0123456789abcdef', pidFile: `${base}.pid` }
}
const run = (...args: string[]) =>
  spawnSync(process.execPath, [HOSTLINKD, ...args], { encoding: 'utf8', timeout: 30_000 })

describe('the command line', () => {
  test('-h, -V, and what is wrong', () => {
    expect(run('-h')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: hostlinkd/) })
    expect(run('-V')).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^hostlinkd \d+\.\d+\.\d+\n$/),
    })
    expect(run('--nope')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^hostlinkd: .*--nope.*\nhint: /s),
    })
  })

  test.each([['-f'], ['']])('a broken config is told with file, line and key (flag %j)', flag => {
    const { file } = configWith({ max_concurrent: 'many', unix_mode: '9' })
    const { status, stderr } = run(...[flag].filter(Boolean), '-c', file)
    expect(status).toBe(1)
    expect(stderr).toContain(`${file}:5: max_concurrent: "many" is not a whole number`)
    expect(stderr).toContain(`${file}:6: unix_mode: `)
  })

  test('an output folder that others can change is refused: the daemon believes what it finds there', () => {
    const open = join(folder, 'open')
    mkdirSync(open)
    const { file, socket } = configWith({ output_tmpdir: open })
    const refused = (why: string) => {
      expect(run('-f', '-c', file)).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(new RegExp(`${file}:\\d+: output_tmpdir: ${open} ${why}.*\nhint: `)),
      })
      expect(existsSync(socket)).toBe(false)
    }
    chmodSync(open, 0o775)
    refused('can be changed by others')
    if (process.getuid?.() !== 0) return
    chmodSync(open, 0o700)
    chownSync(open, 65_534, 0)
    refused('belongs to uid 65534')
  })

  test('an unknown run_as_user is refused', () => {
    const { file, socket } = configWith({ run_as_user: 'nobody-of-that-name' })
    expect(run('-f', '-c', file)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no user nobody-of-that-name'),
    })
    expect(existsSync(socket)).toBe(false)
  })

  test('without -f it goes to the background once it listens, and says why it does not', async () => {
    const { file, socket, token, pidFile } = configWith()
    expect(run('-c', file, '-p', pidFile)).toMatchObject({ status: 0, stdout: '', stderr: '' })
    const pid = Number(readFileSync(pidFile, 'utf8'))
    expect(await askOnce({ socket, token }, { type: 'ping' })).toMatchObject({ status: 'ok' })
    const second = run('-c', file)
    expect(second).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`another hostlinkd has ${socket}`),
    })
    process.kill(pid, 'SIGTERM')
    await until('it has ended', () => !isRunning(pid))
    expect([existsSync(socket), existsSync(pidFile)]).toEqual([false, false])
  })
})

describe('under systemd', () => {
  /** In place of systemd's own program, which tells nobody but systemd. */
  function notifier(script: string): { PATH: string; told: string } {
    const bin = mkdtempSync(join(folder, 'bin-'))
    writeFileSync(join(bin, 'systemd-notify'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    return { PATH: `${bin}:${process.env['PATH']}`, told: join(bin, 'told') }
  }
  const TELL = 'echo "$NOTIFY_SOCKET $*" >"${0%/*}/part" && mv "${0%/*}/part" "${0%/*}/told"'

  test('it is told once the daemon listens', async () => {
    const { PATH, told } = notifier(TELL)
    await using daemon = await startDaemonRig({ env: { PATH, NOTIFY_SOCKET: '/run/systemd/notify' } })
    await until('systemd is told', () => existsSync(told))
    expect(readFileSync(told, 'utf8')).toBe('/run/systemd/notify --ready --status=listening\n')
    const answer = await askOnce(daemon, { type: 'exec', command: 'echo "<$NOTIFY_SOCKET>"' })
    expect(answer['stdout']).toBe('<>\n')
  })

  test('that it could not be told is logged, and ends nothing', async () => {
    const { PATH } = notifier('exit 3')
    await using daemon = await startDaemonRig({ env: { PATH, NOTIFY_SOCKET: '/run/systemd/notify' } })
    await until('it is logged', () =>
      daemon.log().includes('[ERROR] systemd was not told that the daemon listens'),
    )
    expect(await askOnce(daemon, { type: 'ping' })).toMatchObject({ status: 'ok' })
  })

  test('nobody is told anything elsewhere', async () => {
    const { PATH, told } = notifier(TELL)
    await using daemon = await startDaemonRig({ env: { PATH, NOTIFY_SOCKET: '' } })
    await askOnce(daemon, { type: 'exec', command: 'sleep 0.3' })
    expect(existsSync(told)).toBe(false)
  })
})

describe('the socket', () => {
  test('has its mode, and its folder is made with 0750', async () => {
    const path = join(folder, 'made', 'deep', 'h.sock')
    await using daemon = await startDaemonRig({ config: { unix_path: path, unix_mode: '0600' } })
    expect(statSync(daemon.socket).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'made', 'deep')).mode & 0o777).toBe(0o750)
    expect(statSync(daemon.pidFile).mode & 0o777).toBe(0o600)
  })

  test('is never taken from a live daemon; a stale one is replaced', async () => {
    await using daemon = await startDaemonRig()
    const second = run('-f', '-c', daemon.configFile)
    expect(second).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/another hostlinkd has .*\nhint: /),
    })
    expect(await askOnce(daemon, { type: 'ping' })).toMatchObject({ status: 'ok' })
    daemon.signal('SIGKILL')
    await daemon.ended
    expect(existsSync(daemon.socket)).toBe(true)
    await using again = await startDaemonRig({ config: { unix_path: daemon.socket } })
    expect(await askOnce(again, { type: 'ping' })).toMatchObject({ status: 'ok' })
  })

  test('of somebody else who listens is left alone, and so is a file', async () => {
    const { file, socket } = configWith()
    const foreign = createServer(peer => peer.destroy())
    await new Promise<void>(resolve => foreign.listen(socket, resolve))
    const child = spawn(process.execPath, [HOSTLINKD, '-f', '-c', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let text = ''
    child.stderr.on('data', chunk => {
      text += chunk
    })
    expect(await new Promise(resolve => child.once('exit', resolve))).toBe(1)
    expect(text).toContain('another hostlinkd has')
    await new Promise(resolve => foreign.close(resolve))
    writeFileSync(socket, 'precious')
    expect(run('-f', '-c', file)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is not a socket'),
    })
    expect(readFileSync(socket, 'utf8')).toBe('precious')
  })

  test('that two daemons want at once goes to one of them', async () => {
    const { file, socket, token } = configWith()
    const start = () => spawn(process.execPath, [HOSTLINKD, '-f', '-c', file], { stdio: 'ignore' })
    const daemons = [start(), start(), start()]
    const ends = daemons.map(child => new Promise<number | null>(resolve => child.once('exit', resolve)))
    await until('two have given up', () => daemons.filter(child => child.exitCode !== null).length === 2)
    expect(await askOnce({ socket, token }, { type: 'ping' })).toMatchObject({ status: 'ok' })
    for (const child of daemons) child.kill('SIGTERM')
    expect((await Promise.all(ends)).sort()).toEqual([0, 1, 1])
  })

  test('may be TCP; a taken port is told', async () => {
    await using daemon = await startDaemonRig({
      config: { tcp_enabled: true, tcp_port: 0, unix_enabled: false },
    })
    const port = Number(/listens on 127\.0\.0\.1:(\d+)/.exec(daemon.log())?.[1])
    const socket = connect(port, '127.0.0.1')
    const peer = peerOn(socket)
    peer.ask({ type: 'exec', id: 'x', token: daemon.token, command: 'echo tcp' })
    expect(await peer.answer()).toMatchObject({ stdout: 'tcp\n' })
    peer.destroy()
    const { file, socket: unused } = configWith({ tcp_enabled: true, tcp_port: port })
    expect(run('-f', '-c', file)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('already in use'),
    })
    expect(existsSync(unused)).toBe(false)
  })
})

describe('authentication', () => {
  test('fails for anything but the exact token, slower and slower, and is logged', async () => {
    await using daemon = await startDaemonRig()
    const began = performance.now()
    const times: number[] = []
    for (const token of ['', 'nope', `${daemon.token}\0x`, `${daemon.token} `, undefined, 5]) {
      const peer = await connectPeer(daemon.socket)
      peer.ask({ type: 'ping', id: 'secret', token, keep_alive: true })
      expect(await peer.answer()).toEqual({
        version: 1,
        id: '',
        node: 'rig',
        status: 'auth_failed',
        error_msg: 'authentication failed',
      })
      expect(await peer.next()).toBe(null)
      times.push(performance.now() - began)
      expect(await askOnce(daemon, { type: 'ping' })).toMatchObject({ status: 'ok' })
    }
    expect(times[0]).toBeGreaterThan(190)
    expect(times[5]! - times[4]!).toBeGreaterThan(590)
    expect(daemon.log().match(/authentication failed: unix/g)).toHaveLength(6)
    expect(daemon.log()).not.toContain(daemon.token)
  })
})

describe('SIGHUP', () => {
  test('reads everything but the sockets again, under load', async () => {
    await using daemon = await startDaemonRig()
    const old = await asking(daemon)
    old.send({ type: 'exec', id: 'running', command: 'sleep 1; echo done' })
    changeConfig(daemon.configFile, {
      auth_token: 'another-token-0123456789',
      node_name: 'renamed',
      max_timeout_ms: 1234,
    })
    daemon.signal('SIGHUP')
    await until('it is read', () => daemon.log().includes('reload: done'))
    const now = { socket: daemon.socket, token: 'another-token-0123456789' }
    expect(await askOnce(now, { type: 'ping' })).toMatchObject({ node: 'renamed', max_timeout_ms: 1234 })
    expect(await askOnce(daemon, { type: 'ping' })).toMatchObject({ status: 'auth_failed' })
    expect(await old.peer.answer()).toMatchObject({ id: 'running', stdout: 'done\n' })
  })

  test('of a broken file keeps the values and says so', async () => {
    await using daemon = await startDaemonRig()
    changeConfig(daemon.configFile, { max_concurrent: 'x', node_name: 'renamed' })
    daemon.signal('SIGHUP')
    await until('it is told', () => daemon.log().includes('values from before are kept'))
    expect(daemon.log()).toMatch(/reload: .*hostlink\.conf:\d+: max_concurrent/)
    expect(await askOnce(daemon, { type: 'ping' })).toMatchObject({ status: 'ok', node: 'rig' })
    chmodSync(daemon.configFile, 0o600)
    rmSync(daemon.configFile)
    daemon.signal('SIGHUP')
    await until('it is told', () => (daemon.log().match(/values from before are kept/g) ?? []).length === 2)
    expect(await askOnce(daemon, { type: 'ping' })).toMatchObject({ status: 'ok' })
  })
})

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', signal => {
  test('lets what is nearly done finish, ends the rest, answers all, and leaves nothing behind', async () => {
    await using daemon = await startDaemonRig()
    const on = await asking(daemon)
    const idle = await connectPeer(daemon.socket)
    on.send({ type: 'exec', id: 'short', command: 'sleep 0.7; echo done' })
    on.send({ type: 'exec', id: 'long', command: "trap '' TERM; echo begun; while :; do sleep 1; done" })
    await on.ask({ type: 'ping' })
    await sleep(200)
    const began = Date.now()
    daemon.signal(signal)
    expect(await on.peer.answer()).toMatchObject({ id: 'short', status: 'ok', stdout: 'done\n' })
    expect(await on.peer.answer()).toMatchObject({
      id: 'long',
      status: 'error',
      exit_code: -1,
      error_msg: 'the daemon is shutting down',
      stdout: 'begun\n',
    })
    expect(await on.peer.next()).toBe(null)
    expect(await idle.next()).toBe(null)
    expect(await daemon.ended).toBe(0)
    expect(Date.now() - began).toBeLessThan(8000)
    expect([existsSync(daemon.socket), existsSync(daemon.pidFile)]).toEqual([false, false])
  })
})
