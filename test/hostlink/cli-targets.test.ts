import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { hostlink } from '../rig/hostlink-cli.ts'
import { type OldDaemon, startOldDaemon } from '../rig/old-daemon.ts'

let dir: string
let unix: OldDaemon
let tcp: OldDaemon
let file: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hostlink-targets-'))
  unix = await startOldDaemon({ node: 'desk' })
  tcp = await startOldDaemon({ node: 'lab', tcp: true, token: 'lab-token' })
  file = join(dir, 'targets.conf')
  await writeFile(
    file,
    `[desktop]
socket = ${unix.socket}
token = ${unix.token}
[a-name-that-is-longer-than-20]
transport = tcp
address = 127.0.0.1
port = ${tcp.port}
token = lab-token
[gone]
socket = ${dir}/none.sock
token = x
[wrong]
socket = ${unix.socket}
token = wrong
[tokenless]
socket = ${unix.socket}
`,
  )
})
afterAll(async () => {
  await unix.stop()
  await tcp.stop()
  await rm(dir, { recursive: true, force: true })
})

test('lists them in columns', async () => {
  const { stdout, stderr, code } = await hostlink(['targets', '-F', file])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  expect(stdout).toBe(
    `desktop              unix  ${unix.socket}\n` +
      `a-name-that-is-longer-than-20 tcp   127.0.0.1:${tcp.port}\n` +
      `gone                 unix  ${dir}/none.sock\n` +
      `wrong                unix  ${unix.socket}\n` +
      `tokenless            unix  ${unix.socket}\n`,
  )
})

test('-j is a compact array without any token', async () => {
  const { stdout } = await hostlink(['-j', 'targets'], { env: { HOSTLINK_TARGETS: file } })
  expect(stdout).toBe(
    `[{"name":"desktop","transport":"unix","socket":"${unix.socket}"},` +
      `{"name":"a-name-that-is-longer-than-20","transport":"tcp","address":"127.0.0.1","port":${tcp.port}},` +
      `{"name":"gone","transport":"unix","socket":"${dir}/none.sock"},` +
      `{"name":"wrong","transport":"unix","socket":"${unix.socket}"},` +
      `{"name":"tokenless","transport":"unix","socket":"${unix.socket}"}]\n`,
  )
})

test('-P pings each with its own token', async () => {
  const { stdout, code } = await hostlink(['targets', '-P', '-F', file])
  const states = stdout.split('\n').map(line =>
    line
      .split('  ')
      .at(-1)
      ?.replace(/up \d+s/, 'up Ns'),
  )
  expect(states.slice(0, 4)).toEqual([
    'desk (up Ns)',
    'lab (up Ns)',
    'unreachable: No such file or directory',
    'auth failed: Authentication failed',
  ])
  expect(states[4]).toMatch(/^no token/)
  expect(code).toBe(0)
})

test("-P does not give one target's host the token of the environment", async () => {
  const { stdout } = await hostlink(['-j', 'targets', '-P', '-F', file], {
    env: { HOSTLINK_TOKEN: 'env-token' },
  })
  const states = JSON.parse(stdout)
  expect(states[0]).toMatchObject({ name: 'desktop', state: 'ok', node: 'desk' })
  expect(tcp.requests.at(-1)).toMatchObject({ token: 'lab-token' })
  expect(states[4]).toMatchObject({ name: 'tokenless', state: 'auth_failed' })
})

test('-t uses a target, and an unknown one is answered with what there is', async () => {
  expect((await hostlink(['-F', file, '-t', 'desktop', 'exec', 'echo hi'])).stdout).toBe('hi\n')
  const { stderr, code } = await hostlink(['-F', file, '-t', 'dekstop', 'ping'])
  expect(code).toBe(7)
  expect(stderr).toBe(
    `no target "dekstop" in ${file}\nhint: did you mean desktop? (known: desktop, a-name-that-is-longer-than-20, gone, wrong, tokenless)\n`,
  )
})

test('mistakes in the file are said with their lines, the good targets are listed', async () => {
  const broken = join(dir, 'broken.conf')
  await writeFile(broken, '[a]\nsocket=/a\n[b]\ntransport=pigeon\nrubbish\n')
  const { stdout, stderr, code } = await hostlink(['targets', '-F', broken])
  expect(stdout).toBe('a                    unix  /a\n')
  expect(stderr).toBe(
    `${broken}:4: transport is neither unix nor tcp: "pigeon"\n${broken}:5: neither a [name] nor key = value\n`,
  )
  expect(code).toBe(7)
})

test('token files', async () => {
  const token = join(dir, 'token')
  await writeFile(token, `${unix.token}\n`)
  const env = { HOSTLINK_SOCKET: unix.socket }
  expect((await hostlink(['--token-file', token, 'ping'], { env })).code).toBe(0)
  expect((await hostlink(['ping'], { env: { ...env, HOSTLINK_TOKEN_FILE: token } })).code).toBe(0)
  const missing = await hostlink(['ping'], { env: { ...env, HOSTLINK_TOKEN_FILE: `${token}.none` } })
  expect(missing.stderr).toBe(
    `token file ${token}.none: no such file\nhint: it was named by HOSTLINK_TOKEN_FILE (${token}.none)\n`,
  )
  const none = await hostlink(['ping'], { env })
  expect(none.stderr).toMatch(/^no token\nhint: .*--token-file.*HOSTLINK_TOKEN_FILE.*HOSTLINK_TOKEN/)
})
