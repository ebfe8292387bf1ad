/** Clients that vanish, killed with SIGKILL at any moment: their commands end and their slots come back. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { childrenOf, descriptors, isRunning, PIPES_AT_HAND, until } from '../../rig/observe.ts'
import { connectPeer } from '../../rig/peer.ts'
import { seeded } from '../../rig/seeded.ts'

let daemon: DaemonRig
let before: { fds: number }
beforeEach(async () => {
  daemon = await startDaemonRig({ config: { max_concurrent: '4' } })
  before = { fds: descriptors(daemon.pid) }
})
afterEach(() => daemon.stop())

/** A client in a process of its own that asks, and then only waits. Speaks the wire by hand to start quickly. */
function clientProcess(fields: object): ChildProcess {
  const request = { version: 1, type: 'exec', id: 'a', token: daemon.token, ...fields }
  const code = `
    const body = Buffer.from(process.argv[2])
    const head = Buffer.from('HLNK\\0\\0\\0\\0', 'latin1')
    head.writeUInt32BE(body.length, 4)
    const socket = require('node:net').connect(process.argv[1])
    socket.write(Buffer.concat([head, body]))
    socket.once('data', () => process.stdout.write('data'))
    socket.resume()
    setInterval(() => {}, 1000)
    process.stdout.write('asked')
  `
  return spawn(process.execPath, ['-e', code, daemon.socket, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

const heard = (child: ChildProcess) => new Promise(resolve => child.stdout?.once('data', resolve))
const pidsIn = (folder: string) =>
  readdirSync(folder)
    .filter(name => name.startsWith('pid-'))
    .map(name => Number(readFileSync(`${folder}/${name}`, 'utf8')))

async function everythingIsBack(): Promise<void> {
  await until('the commands have ended', () => !pidsIn(daemon.folder).some(isRunning))
  await until('no child is left over', () => childrenOf(daemon.pid).length === 0)
  await until('no descriptor is left over', () => descriptors(daemon.pid) <= before.fds + 2 + PIPES_AT_HAND)
  await until('all slots are back', async () => (await statuses(4)).every(status => status === 'ok'))
}

/** Commands that run side by side, each of them in need of a slot. */
async function statuses(count: number): Promise<string[]> {
  const peers = await Promise.all(Array.from({ length: count }, () => connectPeer(daemon.socket)))
  for (const peer of peers) {
    peer.ask({ version: 1, type: 'exec', id: 'a', token: daemon.token, command: 'sleep 0.2' })
  }
  const answers = await Promise.all(peers.map(peer => peer.answer()))
  for (const peer of peers) peer.destroy()
  return answers.map(answer => answer.status)
}

const stays = 'echo $$ > pid-$$; while :; do sleep 0.1; done'

test('killed with SIGKILL at random points: commands end, slots and descriptors come back', async () => {
  const random = seeded(4711)
  await undisturbed(daemon, async () => {
    for (let round = 0; round < 8; round++) {
      const fields = { command: stays, workdir: daemon.folder, stream: random() < 0.5 }
      const clients = [clientProcess(fields), clientProcess(fields)]
      await Promise.all(clients.map(heard))
      await new Promise(resolve => setTimeout(resolve, random() * 120))
      for (const client of clients) client.kill('SIGKILL')
    }
  })
  await everythingIsBack()
})

test('gone right after the request, a hundred times', async () => {
  await undisturbed(daemon, async () => {
    for (let i = 0; i < 100; i++) {
      const peer = await connectPeer(daemon.socket)
      peer.ask({
        version: 1,
        type: 'exec',
        id: 'a',
        token: daemon.token,
        command: stays,
        workdir: daemon.folder,
      })
      peer.destroy()
    }
  })
  await everythingIsBack()
})

test('gone in the middle of a request, after any number of bytes', async () => {
  const body = JSON.stringify({ version: 1, type: 'exec', id: 'a', token: daemon.token, command: 'true' })
  const bytes = Buffer.concat([
    Buffer.from('HLNK\0\0\0', 'latin1'),
    Buffer.from([body.length]),
    Buffer.from(body),
  ])
  await undisturbed(daemon, async () => {
    for (let cut = 0; cut < bytes.length; cut++) {
      const peer = await connectPeer(daemon.socket)
      peer.send(bytes.subarray(0, cut))
      peer.destroy()
    }
  })
  await everythingIsBack()
})

test('gone in the middle of a stream', async () => {
  await undisturbed(daemon, async () => {
    for (let i = 0; i < 10; i++) {
      const peer = await connectPeer(daemon.socket)
      peer.ask({ version: 1, type: 'exec', id: 'a', token: daemon.token, argv: ['yes'], stream: true })
      await peer.next()
      peer.destroy()
    }
  })
  await everythingIsBack()
})

test('gone before a large answer was read', async () => {
  for (let i = 0; i < 4; i++) {
    const peer = await connectPeer(daemon.socket)
    peer.socket.pause()
    peer.ask({
      version: 1,
      type: 'exec',
      id: 'a',
      token: daemon.token,
      argv: ['head', '-c', '4000000', '/dev/zero'],
    })
    await new Promise(resolve => setTimeout(resolve, 200))
    peer.destroy()
  }
  await everythingIsBack()
})

test('gone with several requests in flight on one connection', async () => {
  const peer = await connectPeer(daemon.socket)
  for (const id of ['a', 'b', 'c', 'd']) {
    peer.ask({
      version: 1,
      type: 'exec',
      id,
      token: daemon.token,
      command: stays,
      workdir: daemon.folder,
      keep_alive: true,
    })
  }
  await until('all have begun', () => pidsIn(daemon.folder).length === 4)
  peer.destroy()
  await everythingIsBack()
})

test('a client that only ends its writing side is still there, and gets its answer', async () => {
  const peer = await connectPeer(daemon.socket)
  peer.ask({ version: 1, type: 'exec', id: 'a', token: daemon.token, command: 'sleep 1; echo done' })
  peer.end()
  expect(await peer.answer()).toMatchObject({ status: 'ok', stdout: 'done\n' })
})

test('with cancel_on_disconnect the end of the writing side ends the command', async () => {
  const peer = await connectPeer(daemon.socket)
  peer.ask({
    version: 1,
    type: 'exec',
    id: 'a',
    token: daemon.token,
    command: stays,
    workdir: daemon.folder,
    cancel_on_disconnect: true,
  })
  await until('it has begun', () => pidsIn(daemon.folder).length === 1)
  peer.end()
  await everythingIsBack()
  peer.destroy()
})

test('with cancel_on_disconnect false the command goes on without its client', async () => {
  const peer = await connectPeer(daemon.socket)
  const command = 'echo $$ > pid-$$; sleep 1; echo done > finished'
  peer.ask({
    version: 1,
    type: 'exec',
    id: 'a',
    token: daemon.token,
    command,
    workdir: daemon.folder,
    cancel_on_disconnect: false,
  })
  await until('it has begun', () => pidsIn(daemon.folder).length === 1)
  peer.destroy()
  await until('it has finished', () => readdirSync(daemon.folder).includes('finished'))
  await everythingIsBack()
})
