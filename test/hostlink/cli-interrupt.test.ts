/** Ctrl-C: what runs on the host ends, or it is said that it goes on. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { HOSTLINK, reaching, startHostlink } from '../rig/hostlink-cli.ts'
import { isRunning } from '../rig/observe.ts'
import { type OldDaemon, startOldDaemon } from '../rig/old-daemon.ts'

let ours: DaemonRig
let theirs: OldDaemon
let silent: OldDaemon
let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hostlink-interrupt-'))
  // Only an explicit cancel may end the command here, not the end of the client.
  ours = await startDaemonRig({ config: { node_name: 'ours', cancel_on_disconnect: false } })
  theirs = await startOldDaemon()
  silent = await startOldDaemon({ misbehave: 'hang' })
})
afterAll(async () => {
  await Promise.all([ours, theirs, silent].map(daemon => daemon.stop()))
  rmSync(dir, { recursive: true, force: true })
})

let count = 0
/** A command that writes its process id and then stays; answers once it has begun. */
async function sleeping(daemon: { socket: string; token: string }, ...options: string[]) {
  const file = join(dir, `pid-${++count}`)
  const words = options.includes('--argv')
    ? ['sh', '-c', `echo $$ > ${file}; echo begun; exec sleep 60`]
    : [`echo $$ > ${file}; echo begun; exec sleep 60`]
  const cli = startHostlink([...options, 'exec', ...words], { env: reaching(daemon) })
  const pid = await eventually(() => Number(readFileSync(file, 'utf8')) || null)
  return { cli, pid }
}

async function eventually<T>(look: () => T | null): Promise<T> {
  for (let tries = 0; tries < 3000; tries += 1) {
    try {
      const seen = look()
      if (seen !== null) return seen
    } catch {
      // Not there yet.
    }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error('it never came to pass')
}
const ended = (pid: number) => eventually(() => (isRunning(pid) ? null : true))

describe('against our daemon', () => {
  test.each([[[]], [['--argv']], [['--stream']], [['-j']]])(
    'the command ends, exit code 130: %j',
    async options => {
      const { cli, pid } = await sleeping(ours, ...options)
      cli.child.kill('SIGINT')
      const { code, stderr } = await cli.ended
      expect([code, stderr]).toEqual([130, '[ours] cancelled\n'])
      await ended(pid)
    },
  )
  test('SIGTERM too, exit code 143', async () => {
    const { cli, pid } = await sleeping(ours)
    cli.child.kill('SIGTERM')
    expect((await cli.ended).code).toBe(143)
    await ended(pid)
  })
  test('what was already printed live stays', async () => {
    const { cli } = await sleeping(ours, '--stream')
    cli.child.kill('SIGINT')
    expect((await cli.ended).stdout).toBe('begun\n')
  })
})

test('a daemon without cancel: it is said that the command goes on', async () => {
  const { cli, pid } = await sleeping(theirs)
  cli.child.kill('SIGINT')
  const { code, stderr } = await cli.ended
  expect([code, stderr]).toEqual([
    130,
    'interrupted; this daemon cannot cancel, so the command goes on there\n',
  ])
  expect(isRunning(pid)).toBe(true)
})

test('the second Ctrl-C leaves at once', async () => {
  const cli = startHostlink(['exec', 'true'], { env: reaching(silent) })
  await eventually(() => (silent.requests.some(request => request['type'] === 'exec') ? true : null))
  cli.child.kill('SIGINT')
  // The first one has been heard once the client asks what the daemon can do.
  await eventually(() => (silent.requests.some(request => request['type'] === 'ping') ? true : null))
  const before = performance.now()
  cli.child.kill('SIGINT')
  expect((await cli.ended).code).toBe(130)
  expect(performance.now() - before).toBeLessThan(2000)
})

test('a second Ctrl-C leaves even while nobody reads the output', async () => {
  const child = spawn(process.execPath, [HOSTLINK, '--stream', 'exec', 'yes'], {
    env: { PATH: process.env['PATH'], ...reaching(ours) },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise(resolve => child.stdout.once('readable', resolve))
  const left = new Promise(resolve => child.once('exit', (code, signal) => resolve(code ?? signal)))
  const deadline = setTimeout(() => child.kill('SIGKILL'), 20_000)
  // Each signal is heard on its own; nothing outside tells when the pipe is full.
  const again = setInterval(() => child.kill('SIGINT'), 300)
  expect([130, 'SIGINT']).toContain(await left)
  clearInterval(again)
  clearTimeout(deadline)
  child.stdout.destroy()
})

test('one Ctrl-C leaves a job that is followed into a pipe that nobody reads', async () => {
  const begin = ['-D', 'exec', 'head -c 3000000 /dev/zero']
  const id = (await startHostlink(begin, { env: reaching(ours) }).ended).stdout.trim()
  await startHostlink(['job', 'wait', id], { env: reaching(ours) }).ended
  const child = spawn(process.execPath, [HOSTLINK, 'job', 'tail', '-f', id], {
    env: { PATH: process.env['PATH'], ...reaching(ours) },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  await new Promise(resolve => child.stdout.once('readable', resolve))
  const left = new Promise(resolve => child.once('exit', (code, signal) => resolve(code ?? signal)))
  const deadline = setTimeout(() => child.kill('SIGKILL'), 20_000)
  child.kill('SIGINT')
  expect([130, 'SIGINT']).toContain(await left)
  clearTimeout(deadline)
  child.stdout.destroy()
})
