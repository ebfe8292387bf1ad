/** What PROTOCOL.md says about exec, on the real daemon. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Asking, asking, askOnce } from '../../rig/ask.ts'
import { type DaemonRig, startDaemonRig } from '../../rig/daemon.ts'
import { until } from '../../rig/observe.ts'

let daemon: DaemonRig
let on: Asking
beforeAll(async () => {
  daemon = await startDaemonRig({
    config: { max_timeout_ms: 5000, max_concurrent: 3, max_output_bytes: 200_000, env_allow: 'RIG_ALLOWED' },
    env: { RIG_ALLOWED: 'yes', RIG_SECRET: 'no' },
  })
  on = await asking(daemon)
})
afterAll(() => daemon.stop())

const exec = (fields: object) => on.ask({ type: 'exec', ...fields })

describe('the answer', () => {
  test('has its fields in the order of the wire, compact', async () => {
    on.send({ type: 'exec', id: 'order', command: 'echo out; echo err >&2; exit 3', timeout_ms: 99_999 })
    const text = (await on.peer.next())!.toString()
    expect(text).not.toMatch(/": |, "/)
    expect(text.replace(/"duration_ms":\d+/, '"duration_ms":0')).toBe(
      '{"version":1,"id":"order","node":"rig","status":"ok","exit_code":3,"stdout":"out\\n","stderr":"err\\n",' +
        '"stdout_truncated":false,"stderr_truncated":false,"stdout_original_bytes":4,"stderr_original_bytes":4,' +
        '"duration_ms":0,"timeout_requested_ms":99999,"timeout_effective_ms":5000}',
    )
  })

  test('of a start that failed has its reason straight behind the status', async () => {
    const answer = await exec({ argv: ['true'], workdir: '/etc/hostname' })
    expect(Object.keys(answer).slice(0, 9)).toEqual([
      'version',
      'id',
      'node',
      'status',
      'error_msg',
      'exit_code',
      'stdout',
      'stderr',
      'stdout_truncated',
    ])
    expect(answer).toMatchObject({
      status: 'error',
      exit_code: -1,
      error_msg: 'workdir not accessible: Not a directory',
    })
  })

  test('closes the connection when nobody asked to keep it', async () => {
    const { peer } = await asking(daemon)
    peer.ask({ type: 'exec', id: 'one', token: daemon.token, argv: ['true'] })
    expect(await peer.answer()).toMatchObject({ id: 'one', status: 'ok', exit_code: 0 })
    expect(await peer.next()).toBe(null)
    peer.destroy()
  })

  test('comes when it is ready, not in the order of asking', async () => {
    on.send({ type: 'exec', id: 'slow', argv: ['sleep', '0.4'] })
    on.send({ type: 'exec', id: 'quick', argv: ['true'] })
    expect([(await on.peer.answer()).id, (await on.peer.answer()).id]).toEqual(['quick', 'slow'])
  })

  test('an id that is in flight cannot be used again', async () => {
    on.send({ type: 'exec', id: 'twice', argv: ['sleep', '0.3'] })
    expect(await on.ask({ type: 'ping', id: 'twice' })).toMatchObject({
      id: 'twice',
      status: 'bad_request',
      error_msg: 'id is in use on this connection',
    })
    expect(await on.peer.answer()).toMatchObject({ id: 'twice', status: 'ok' })
  })
})

describe('how it ends', () => {
  test.each([
    [{ command: 'exit 7' }, { status: 'ok', exit_code: 7 }],
    [{ command: 'kill -TERM $$' }, { status: 'ok', exit_code: 143, signal: 'SIGTERM' }],
    [{ argv: ['no-such-program'] }, { status: 'ok', exit_code: 127, stderr: 'no-such-program: not found\n' }],
    [{ argv: ['/etc'] }, { status: 'ok', exit_code: 126 }],
    [{ command: 'no-such-program' }, { status: 'ok', exit_code: 127 }],
    [
      { argv: ['true'], workdir: '/nope' },
      { status: 'error', exit_code: -1, error_msg: 'workdir not accessible: No such file or directory' },
    ],
    [
      { argv: ['true', 'x'.repeat(140_000)] },
      { status: 'error', exit_code: -1, error_msg: expect.stringMatching(/^spawn failed: /) },
    ],
    [
      { command: 'echo part; sleep 30', timeout_ms: 300 },
      { status: 'timeout', exit_code: -2, stdout: 'part\n' },
    ],
    [
      { command: 'exec >&- 2>&-; sleep 30', timeout_ms: 300 },
      { status: 'timeout', exit_code: -2 },
    ],
  ])('%j', async (request, answer) => {
    const got = await exec(request)
    expect(got).toMatchObject(answer)
    if (got.status === 'timeout') expect(got).not.toHaveProperty('error_msg')
  })

  test('all of them are known to be gone after a timeout', async () => {
    const marker = `77${Math.floor(Math.random() * 1e6)}`
    await exec({
      command: `setsid sh -c 'trap "" TERM; sleep ${marker}; sleep ${marker}' & sleep ${marker}`,
      timeout_ms: 300,
    })
    const running = readdirSync('/proc').filter(pid => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(marker)
      } catch {
        return false
      }
    })
    expect(running).toEqual([])
  })
})

describe('the command', () => {
  test('is in no argv and no environment', async () => {
    const { stdout } = await exec({
      command: `
        echo "environment:$(env | grep -c HOSTLINK_COMMAND) variables:$(set | grep -c 'needle-in-[c]ommand')"
        tr "\\0" " " </proc/$$/cmdline`,
    })
    expect(stdout).toMatch(/^environment:0 variables:0\n/)
    expect(stdout).not.toContain('needle')
  })

  test('has a scrubbed environment, umask 022, no input, default signals, a session of its own', async () => {
    const { stdout } = await exec({
      command:
        'umask; cat; echo "$RIG_ALLOWED/$RIG_SECRET/$MINE"; grep SigIgn /proc/self/status | cut -f2; ps -o sid= -p $$ | tr -d " "; echo $$',
      env: { MINE: 'mine' },
    })
    const [umask, env, ignored, session, pid] = String(stdout).split('\n')
    expect([umask, env, ignored]).toEqual(['0022', 'yes//mine', '0000000000000000'])
    expect(session).toBe(pid)
  })

  test('may be 131008 bytes long, not more', async () => {
    const fill = (bytes: number) => `echo ok;#${'x'.repeat(bytes - 9)}`
    expect(await exec({ command: fill(131_008) })).toMatchObject({ status: 'ok', stdout: 'ok\n' })
    expect(await exec({ command: fill(131_009) })).toMatchObject({
      status: 'bad_request',
      error_msg: 'command: is longer than 131008 bytes',
    })
  })

  test.each([
    [{}, /exactly one of command and argv/],
    [{ command: 'true', argv: ['true'] }, /exactly one/],
    [{ command: '' }, /^command: is empty/],
    [{ argv: [] }, /^argv: is empty/],
    [{ argv: ['a\0b'] }, /^argv\.0: contains a NUL byte/],
    [{ command: 5 }, /^command: /],
    [{ argv: ['true'], env: { 'A=B': 'x' } }, /^env\.A=B: is not a variable name/],
    [{ argv: ['true'], env: { A: 1 } }, /^env\.A: /],
    [{ argv: ['true'], workdir: 'a\0' }, /^workdir: contains a NUL byte/],
    [{ argv: ['true'], timeout_ms: 'x' }, /^timeout_ms: /],
    [{ argv: ['true'], stream: true, output_to_file: true }, /stream cannot be combined/],
    [{ argv: ['true'], stream: true, id: 'x'.repeat(256) }, /^id: is longer than 255 bytes/],
  ])('%j is refused', async (request, why) => {
    expect(await exec(request)).toMatchObject({
      status: 'bad_request',
      error_msg: expect.stringMatching(why),
    })
  })

  test('null counts as absent', async () => {
    const nothing = {
      command: null,
      timeout_ms: null,
      env: null,
      workdir: null,
      stream: null,
      key: null,
      detach: null,
    }
    expect(await exec({ argv: ['echo', 'x'], ...nothing })).toMatchObject({ status: 'ok', stdout: 'x\n' })
  })
})

describe('output', () => {
  test('is cut at the limit, between characters, and the rest is counted', async () => {
    const answer = await exec({
      command: 'printf "aé€😀x"; printf 12345 >&2',
      max_stdout_bytes: 8,
      max_stderr_bytes: 5,
    })
    expect(answer).toMatchObject({
      stdout: 'aé€',
      stdout_truncated: true,
      stdout_original_bytes: 11,
      stderr: '12345',
      stderr_truncated: false,
    })
    expect(answer).not.toHaveProperty('stdout_binary')
  })

  test('limits are clamped to max_output_bytes', async () => {
    const answer = await exec({
      command: 'head -c 300000 /dev/zero | tr "\\0" x',
      max_stdout_bytes: 999_999_999,
    })
    expect(String(answer['stdout'])).toHaveLength(200_000)
    expect(answer).toMatchObject({ stdout_truncated: true, stdout_original_bytes: 300_000 })
  })

  test('NUL and invalid UTF-8 are replaced, and said to be', async () => {
    const answer = await exec({ command: "printf 'a\\0b'; printf 'c\\377d' >&2" })
    expect(answer).toMatchObject({
      stdout: 'a\ufffdb',
      stderr: 'c\ufffdd',
      stdout_binary: true,
      stderr_binary: true,
    })
    expect(answer).toMatchObject({ stdout_original_bytes: 3, stdout_truncated: false })
  })

  test('goes to files of mode 0600 when asked, whole', async () => {
    const answer = await exec({
      id: 'f.1',
      command: 'head -c 300000 /dev/zero; echo e >&2',
      output_to_file: true,
    })
    expect(answer).toMatchObject({ stdout_original_bytes: 300_000, stdout_truncated: false })
    expect(answer).not.toHaveProperty('stdout')
    expect(answer['stdout_file']).toBe(join(daemon.outputFolder, 'hl_f.1_stdout'))
    expect(statSync(String(answer['stdout_file'])).size).toBe(300_000)
    expect(statSync(String(answer['stdout_file'])).mode & 0o777).toBe(0o600)
    expect(readFileSync(String(answer['stderr_file']), 'utf8')).toBe('e\n')
  })

  test.each(['../../evil', 'a/b', '', '.'.repeat(80), 'x\ny', 'é'])('id %j makes no path', async id => {
    const answer = await exec({ id, argv: ['echo', 'x'], output_to_file: true })
    expect(answer['stdout_file']).toMatch(new RegExp(`^${daemon.outputFolder}/hl_[0-9a-f]{12}_stdout$`))
  })

  test('never follows or overwrites what is there', async () => {
    mkdirSync(daemon.outputFolder, { recursive: true })
    const victim = join(daemon.folder, 'victim')
    writeFileSync(victim, 'precious')
    symlinkSync(victim, join(daemon.outputFolder, 'hl_link_stderr'))
    symlinkSync(join(daemon.folder, 'dangling'), join(daemon.outputFolder, 'hl_link_stdout'))
    const answer = await exec({ id: 'link', command: 'echo x; echo y >&2', output_to_file: true })
    expect(answer['stdout_file']).toMatch(/hl_link-[0-9a-f]{12}_stdout$/)
    expect(lstatSync(String(answer['stdout_file'])).isFile()).toBe(true)
    expect(readFileSync(victim, 'utf8')).toBe('precious')
    expect(existsSync(join(daemon.folder, 'dangling'))).toBe(false)
  })
})

describe('slots', () => {
  test('one more than max_concurrent is told busy; a serial client never is', async () => {
    const sleepers = await asking(daemon)
    for (const id of ['1', '2', '3']) sleepers.send({ type: 'exec', id, argv: ['sleep', '20'] })
    // Requests of one connection are looked at in their order.
    await sleepers.ask({ type: 'ping' })
    expect(await exec({ argv: ['true'] })).toMatchObject({
      status: 'error',
      error_msg: 'server busy, max concurrent commands reached',
    })
    // The slot is asked for before the fields.
    expect(await exec({ command: 5 })).toMatchObject({ status: 'error' })
    expect(await on.ask({ type: 'ping' })).toMatchObject({ status: 'ok' })
    sleepers.peer.destroy()
    await until('the slots are free', async () => (await exec({ argv: ['true'] })).status === 'ok')
    for (let n = 0; n < 30; n++)
      expect((await askOnce(daemon, { type: 'exec', argv: ['true'] })).status).toBe('ok')
  })
})
