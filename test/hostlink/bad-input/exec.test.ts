/** Requests that are too much or point elsewhere. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { undisturbed } from '../../rig/bystander.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { rssKib } from '../../rig/observe.ts'
import { type Answer, connectPeer } from '../../rig/peer.ts'

let daemon: DaemonRig
beforeAll(async () => {
  daemon = await startDaemonRig()
})
afterAll(() => daemon.stop())

async function exec(fields: object, trusted = true): Promise<Answer> {
  return undisturbed(daemon, async () => {
    const peer = await connectPeer(daemon.socket)
    if (trusted) {
      peer.ask({ version: 1, type: 'ping', id: 'p', token: daemon.token, keep_alive: true })
      await peer.answer()
    }
    peer.ask({ version: 1, type: 'exec', id: 'a', token: daemon.token, ...fields })
    const answer = await peer.answer()
    peer.destroy()
    return answer
  })
}

test('a command of 1 MiB is refused, and the field is named', async () => {
  const before = rssKib(daemon.pid)
  for (let i = 0; i < 10; i++) {
    expect(await exec({ command: `: ${'x'.repeat(1024 * 1024)}` })).toMatchObject({
      id: 'a',
      status: 'bad_request',
      error_msg: expect.stringMatching(/^command: /),
    })
  }
  expect(rssKib(daemon.pid) - before).toBeLessThan(64 * 1024)
})

test('a command of 1 MiB on a connection that has shown no token yet gets the same answer', async () => {
  const answer = await exec({ command: `: ${'x'.repeat(1024 * 1024)}` }, false)
  expect(answer).toMatchObject({ status: 'bad_request', error_msg: expect.stringMatching(/^command: /) })
})

test('an argument of 1 MiB, which no kernel takes, is refused before anything is started', async () => {
  const answer = await exec({ argv: ['true', 'x'.repeat(1024 * 1024)] })
  expect(['bad_request', 'error']).toContain(answer.status)
  expect(answer.error_msg).toMatch(/argv|argument/i)
})

test('many arguments arrive, each of them', async () => {
  const many = Array.from({ length: 5000 }, (_, i) => `${i}`)
  const answer = await exec({ argv: ['sh', '-c', 'echo "$#"', 'sh', ...many] })
  expect(answer).toMatchObject({ status: 'ok', stdout: '5000\n' })
})

test('thousands of env entries arrive, none of them cut', async () => {
  const env = Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`V_${i}`, `value ${i}`]))
  const answer = await exec({ command: 'env | grep -c "^V_"; echo "$V_0|$V_256|$V_3999"', env })
  expect(answer).toMatchObject({ status: 'ok', stdout: '4000\nvalue 0|value 256|value 3999\n' })
})

test('more env than a kernel takes is told, not cut', async () => {
  const env = Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`V_${i}`, 'x'.repeat(1200)]))
  const answer = await exec({ command: 'true', env })
  expect(['bad_request', 'error']).toContain(answer.status)
  expect(answer.error_msg).toMatch(/env|argument|too long|E2BIG/i)
})

test('one env value of 1 MiB is told, not cut', async () => {
  const answer = await exec({ command: 'true', env: { BIG: 'x'.repeat(1024 * 1024) } })
  expect(['bad_request', 'error']).toContain(answer.status)
  expect(answer.error_msg).toMatch(/env|argument|too long|E2BIG/i)
})

test.each(['../../escaped', '/tmp/escaped', 'a/b', '..', '.', 'a\0b', 'a\nb', 'x'.repeat(300), ''])(
  'output_to_file with the id %j writes inside its folder only',
  async id => {
    const answer = await exec({ id, command: 'printf out; printf err >&2', output_to_file: true })
    expect(answer).toMatchObject({ id, status: 'ok', stdout_original_bytes: 3, stderr_original_bytes: 3 })
    for (const [name, text] of [
      ['stdout_file', 'out'],
      ['stderr_file', 'err'],
    ] as const) {
      const file = String(answer[name])
      expect(resolve(file)).toBe(file)
      expect(resolve(file, '..')).toBe(daemon.outputFolder)
      expect(readFileSync(file, 'utf8')).toBe(text)
      expect(statSync(file).mode & 0o777).toBe(0o600)
    }
    expect(existsSync(join(daemon.outputFolder, '../escaped'))).toBe(false)
    expect(readdirSync('/tmp').filter(name => name.startsWith('escaped'))).toEqual([])
  },
)

test('output_to_file twice with one id, or where a file stands already, makes another name', async () => {
  const planted = join(daemon.outputFolder, 'hl_planted_stdout')
  writeFileSync(planted, 'mine')
  const answer = await exec({ id: 'planted', command: 'printf new', output_to_file: true })
  expect(readFileSync(planted, 'utf8')).toBe('mine')
  expect(readFileSync(String(answer['stdout_file']), 'utf8')).toBe('new')
})

test.each([
  ['a file', '/etc/passwd'],
  ['a device', '/dev/null'],
  ['missing', '/no/such/folder'],
  ['a path through a file', '/etc/passwd/x'],
  ['longer than any path', `/${'x'.repeat(5000)}`],
])('a workdir that is %s', async (_what, workdir) => {
  for (const how of [{ command: 'touch ran-anyway' }, { argv: ['touch', 'ran-anyway'] }]) {
    expect(await exec({ ...how, workdir })).toMatchObject({
      status: 'error',
      exit_code: -1,
      error_msg: expect.stringMatching(/^workdir not accessible: /),
    })
  }
})

test('a workdir of 1000 bytes is used as it is', async () => {
  const made = await exec({
    command: `d=${daemon.folder}; for i in 1 2 3 4 5; do d=$d/${'y'.repeat(200)}; done; mkdir -p $d; echo $d`,
  })
  const workdir = String(made['stdout']).trim()
  expect(workdir.length).toBeGreaterThan(1000)
  expect(await exec({ argv: ['pwd'], workdir })).toMatchObject({ status: 'ok', stdout: `${workdir}\n` })
})
