/** SIGTERM and SIGHUP under load, and a broken config at reload. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { childrenOf, descriptors, isRunning, PIPES_AT_HAND, until } from '../../rig/observe.ts'
import { type Answer, connectPeer, type Peer } from '../../rig/peer.ts'

let daemon: DaemonRig
beforeEach(async () => {
  daemon = await startDaemonRig({ config: { max_concurrent: '8' } })
})
afterEach(() => daemon.stop())

const request = (fields: object) => ({ version: 1, type: 'exec', id: 'a', token: daemon.token, ...fields })
async function ask(fields: object): Promise<Answer> {
  const peer = await connectPeer(daemon.socket)
  peer.ask(request(fields))
  const answer = await peer.answer()
  peer.destroy()
  return answer
}
const stays = 'echo $$ > pid-$$; while :; do sleep 0.1; done'
const pids = () =>
  readdirSync(daemon.folder)
    .filter(name => name.startsWith('pid-'))
    .map(name => Number(readFileSync(`${daemon.folder}/${name}`, 'utf8')))

async function load(): Promise<Peer[]> {
  const peers = await Promise.all(Array.from({ length: 6 }, () => connectPeer(daemon.socket)))
  for (const [index, peer] of peers.entries()) {
    peer.ask(request({ command: stays, workdir: daemon.folder, keep_alive: true, stream: index % 2 === 0 }))
  }
  await until('all have begun', () => pids().length === 6)
  return peers
}

test('SIGTERM under load: everybody is told, commands end, socket and pid file go, exit code 0', async () => {
  const peers = await load()
  const silent = await connectPeer(daemon.socket)
  const running = pids()
  process.kill(daemon.pid, 'SIGTERM')
  const answers = await Promise.all(peers.map(peer => peer.answer()))
  for (const answer of answers) {
    expect(answer).toMatchObject({
      id: 'a',
      status: 'error',
      exit_code: -1,
      error_msg: 'the daemon is shutting down',
    })
  }
  await Promise.all([...peers, silent].map(peer => peer.closed))
  expect(await daemon.ended).toBe(0)
  await until('the commands have ended', () => !running.some(isRunning))
  expect(existsSync(daemon.socket)).toBe(false)
  expect(existsSync(daemon.pidFile)).toBe(false)
})

test('SIGTERM while a command ignores TERM: it is killed, and the daemon ends', async () => {
  const peer = await connectPeer(daemon.socket)
  peer.ask(request({ command: `trap "" TERM; ${stays}`, workdir: daemon.folder }))
  await until('it has begun', () => pids().length === 1)
  process.kill(daemon.pid, 'SIGTERM')
  expect(await daemon.ended).toBe(0)
  await until('the command has ended', () => !pids().some(isRunning))
})

test('SIGTERM to a reader that does not read: the daemon ends all the same', async () => {
  const peer = await connectPeer(daemon.socket)
  peer.socket.pause()
  peer.ask(request({ argv: ['yes'], stream: true, keep_alive: true }))
  await until('it has begun', () => childrenOf(daemon.pid).length > 0)
  process.kill(daemon.pid, 'SIGTERM')
  expect(await daemon.ended).toBe(0)
  peer.destroy()
})

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s while it stops changes nothing', async again => {
  const peer = await connectPeer(daemon.socket)
  // Stopping takes two seconds: the command does not heed TERM.
  peer.ask(request({ command: `trap "" TERM; ${stays}`, workdir: daemon.folder }))
  await until('it has begun', () => pids().length === 1)
  process.kill(daemon.pid, 'SIGTERM')
  await until('it stops', () => daemon.log().includes('SIGTERM: stopping'))
  process.kill(daemon.pid, again)
  expect(await daemon.ended).toBe(0)
  expect(existsSync(daemon.socket)).toBe(false)
  await until('the command has ended', () => !pids().some(isRunning))
})

test('a hundred SIGHUP under load lose no request and no descriptor', async () => {
  const before = descriptors(daemon.pid)
  await undisturbed(daemon, async () => {
    let hangups = 0
    const storm = setInterval(() => {
      process.kill(daemon.pid, 'SIGHUP')
      hangups += 1
    }, 10)
    while (hangups < 100) {
      const answers = await Promise.all([1, 2, 3, 4].map(n => ask({ command: `echo ${n}` })))
      expect(answers.map(answer => answer['stdout'])).toEqual(['1\n', '2\n', '3\n', '4\n'])
    }
    clearInterval(storm)
  })
  await until('no descriptor is left over', () => descriptors(daemon.pid) <= before + 2 + PIPES_AT_HAND)
})

test('SIGHUP takes a new token and a new limit, and leaves running commands alone', async () => {
  const [peer] = await load()
  const text = readFileSync(daemon.configFile, 'utf8')
  writeFileSync(daemon.configFile, text.replaceAll(daemon.token, 'another-token-0123456789'))
  process.kill(daemon.pid, 'SIGHUP')
  await until('the old token is refused', async () => (await ask({ type: 'ping' })).status === 'auth_failed')
  expect(await ask({ type: 'ping', token: 'another-token-0123456789' })).toMatchObject({ status: 'ok' })
  expect(pids().every(isRunning)).toBe(true)
  expect(peer!.socket.readableEnded).toBe(false)
})

test.each([
  ['a bad number', 'max_concurrent = many\n'],
  ['no token', ''],
  ['a line that is nothing', '%%%\n'],
  ['binary', '\0\xff\0'],
])(
  'a broken config at reload keeps the old values, and says where it is broken: %s',
  async (_what, broken) => {
    const text = readFileSync(daemon.configFile, 'utf8')
    writeFileSync(daemon.configFile, broken === '' ? '# nothing\n' : text + broken)
    const logged = daemon.log().length
    await undisturbed(daemon, async () => {
      process.kill(daemon.pid, 'SIGHUP')
      await until('the mistake is logged', () => daemon.log().slice(logged).includes(daemon.configFile))
    })
    expect(daemon.log().slice(logged)).toMatch(/\[(WARN|ERROR)\]/)
    expect(await ask({ command: 'echo hi' })).toMatchObject({ status: 'ok', stdout: 'hi\n' })
    writeFileSync(daemon.configFile, text)
    process.kill(daemon.pid, 'SIGHUP')
    expect(await ask({ command: 'echo hi' })).toMatchObject({ status: 'ok', stdout: 'hi\n' })
  },
)

test('a config that is gone at reload keeps the old values', async () => {
  const text = readFileSync(daemon.configFile, 'utf8')
  renameSync(daemon.configFile, `${daemon.configFile}.away`)
  const logged = daemon.log().length
  process.kill(daemon.pid, 'SIGHUP')
  await until('it is logged', () => daemon.log().slice(logged).includes(daemon.configFile))
  expect(await ask({ command: 'echo hi' })).toMatchObject({ status: 'ok', stdout: 'hi\n' })
  writeFileSync(daemon.configFile, text)
})
