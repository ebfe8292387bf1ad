/** Two daemons and one socket: the one that was there first keeps it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, HOSTLINKD, startDaemonRig } from '../../rig/daemon.ts'
import { until } from '../../rig/observe.ts'
import { connectPeer } from '../../rig/peer.ts'

let daemon: DaemonRig | undefined
const launched: ChildProcess[] = []
afterEach(async () => {
  for (const child of launched.splice(0)) child.kill('SIGKILL')
  await daemon?.stop()
  daemon = undefined
})

/** The first daemon, whose folder and config the others use. */
async function first(): Promise<DaemonRig> {
  daemon = await startDaemonRig()
  return daemon
}

function launch(configFile: string) {
  const child = spawn(process.execPath, [HOSTLINKD, '-f', '-c', configFile], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  launched.push(child)
  let log = ''
  child.stderr.on('data', chunk => {
    log += chunk
  })
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  const ready = () => until('it listens', () => log.includes('hostlinkd listens on'))
  return { ended, ready, log: () => log, kill: () => child.kill('SIGKILL') }
}

async function ping({ socket, token }: DaemonRig) {
  const peer = await connectPeer(socket)
  peer.ask({ version: 1, type: 'ping', id: 'a', token })
  const answer = await peer.answer()
  peer.destroy()
  return answer.status
}

test('the second one refuses to start, names the socket, and the first one keeps it', async () => {
  const one = await first()
  await undisturbed(one, async () => {
    const second = launch(one.configFile)
    expect(await second.ended).not.toBe(0)
    expect(second.log()).toContain(one.socket)
  })
  expect(existsSync(one.socket)).toBe(true)
  expect(await ping(one)).toBe('ok')
})

test('of two that start at once exactly one serves, five times over', async () => {
  const one = await first()
  one.signal('SIGKILL')
  await one.ended
  for (let round = 0; round < 5; round++) {
    const both = [launch(one.configFile), launch(one.configFile)]
    const loser = await Promise.race(both.map(async each => ({ code: await each.ended, each })))
    expect(loser.code).not.toBe(0)
    const winner = both.find(each => each !== loser.each)!
    await winner.ready()
    expect(await ping(one)).toBe('ok')
    winner.kill()
    await winner.ended
  }
})

test('a socket that a killed daemon left behind is taken over', async () => {
  const one = await first()
  one.signal('SIGKILL')
  await one.ended
  expect(existsSync(one.socket)).toBe(true)
  const second = launch(one.configFile)
  await second.ready()
  expect(await ping(one)).toBe('ok')
  second.kill()
  await second.ended
})

test('a file that is no socket is not removed', async () => {
  const one = await first()
  one.signal('SIGTERM')
  await one.ended
  writeFileSync(one.socket, 'precious')
  const second = launch(one.configFile)
  expect(await second.ended).not.toBe(0)
  expect(second.log()).toContain(one.socket)
  expect(existsSync(one.socket)).toBe(true)
})

test('a socket of another program is not stolen', async () => {
  const one = await first()
  one.signal('SIGTERM')
  await one.ended
  const other = createServer(socket => socket.end())
  await new Promise<void>(resolve => other.listen(one.socket, resolve))
  const second = launch(one.configFile)
  expect(await second.ended).not.toBe(0)
  expect(existsSync(one.socket)).toBe(true)
  await new Promise(resolve => other.close(resolve))
})

test('a name that another program squats keeps no daemon from starting, and a second one still refuses', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hostlink-squat-'))
  const socket = join(folder, 'h.sock')
  const { dev, ino } = statSync(folder)
  const digest = createHash('sha256').update(`${dev}:${ino}:h.sock`).digest('hex')
  const squatter = createServer()
  try {
    await new Promise<void>(resolve => squatter.listen(`\0hostlinkd:${digest}`, resolve))
    daemon = await startDaemonRig({ config: { unix_path: socket } })
    expect(daemon.log()).toContain('taken by another program')
    expect(await ping(daemon)).toBe('ok')
    expect(await launch(daemon.configFile).ended).toBe(1)
    expect(await ping(daemon)).toBe('ok')
  } finally {
    await new Promise(resolve => squatter.close(resolve))
    await daemon?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
