import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HOSTLINK, hostlink, reaching, steady } from '../rig/hostlink-cli.ts'
import { type OldDaemon, type OldDaemonOptions, startOldDaemon } from '../rig/old-daemon.ts'

let daemon: OldDaemon
beforeAll(async () => {
  daemon = await startOldDaemon({ defaultMaxOutput: 65_536, maxTimeoutMs: 5000 })
})
afterAll(() => daemon.stop())

const run = (args: string[], env: Record<string, string> = {}) =>
  hostlink(args, { env: { ...reaching(daemon), ...env } })
const shown = async (args: string[]) => {
  const { code, stdout, stderr } = await run(args)
  return { code, stdout: steady(stdout), stderr: steady(stderr) }
}
async function withDaemon<T>(options: OldDaemonOptions, use: (other: OldDaemon) => Promise<T>): Promise<T> {
  const other = await startOldDaemon(options)
  try {
    return await use(other)
  } finally {
    await other.stop()
  }
}

describe('human output', () => {
  test('head line and stderr on stderr, stdout on stdout', async () => {
    expect(await shown(['exec', 'echo out; echo err >&2; exit 3'])).toEqual({
      code: 1,
      stdout: 'out\n',
      stderr: '[oldhost] exit=3 time=Nms\nerr\n',
    })
  })
  test('ping', async () => {
    const { stdout, stderr } = await run(['ping'])
    expect(stdout).toMatch(/^\[oldhost\] pong - uptime \d+s\n$/)
    expect(stderr).toBe('')
  })
  test('truncation', async () => {
    const end = await shown(['-m', '4', 'exec', 'echo 123456; echo 123456 >&2'])
    expect(end).toEqual({
      code: 0,
      stdout: '1234',
      stderr: '[oldhost] exit=0 time=Nms stdout:truncated(7 total bytes) stderr:truncated\n1234',
    })
  })
  test('timeout keeps the partial output', async () => {
    expect(await shown(['-T', '300', 'exec', 'echo part; sleep 20'])).toEqual({
      code: 5,
      stdout: 'part\n',
      stderr: '[oldhost] timeout after Nms\n',
    })
  })
  test('the longest limit that can be asked for is no short one', async () => {
    const { code, stderr } = await shown(['-T', '2147483647', 'exec', 'sleep 0.2'])
    expect([code, stderr]).toEqual([0, expect.stringContaining('[oldhost] exit=0 time=Nms')])
  })
  test('a clamped limit is said', async () => {
    expect((await shown(['-T', '9000', 'exec', 'true'])).stderr).toBe(
      "[oldhost] warning: requested timeout 9000ms exceeds this daemon's max_timeout_ms; 5000ms was used\n" +
        '[oldhost] exit=0 time=Nms\n',
    )
  })
  test('refusal', async () => {
    expect(await shown(['-w', '/no/such', 'exec', 'true'])).toEqual({
      code: 4,
      stdout: '',
      stderr: '[oldhost] error: workdir not accessible: No such file or directory\n',
    })
  })
  test('busy', () =>
    withDaemon({ misbehave: 'busy' }, async other => {
      const { stderr } = await hostlink(['exec', 'true'], { env: reaching(other) })
      expect(stderr).toBe('[oldhost] error: server busy, max concurrent commands reached\n')
    }))
  test('wrong token: the words, where it came from, and never the token', async () => {
    const { stderr } = await run(['exec', 'true'], { HOSTLINK_TOKEN: 'sesame-open' })
    expect(stderr).toBe(
      'Authentication failed\nhint: the token came from HOSTLINK_TOKEN; on the host it is in /etc/hostlink/token, or where hostlink.conf says\n',
    )
  })
  test('no answer', () =>
    withDaemon({ misbehave: 'no-answer' }, async other => {
      const { stderr } = await hostlink(['exec', 'true'], { env: reaching(other) })
      expect(stderr.split('\n')[0]).toBe('No response')
    }))
  test('no socket', async () => {
    const { stderr } = await run(['-s', '/no/such.sock', 'ping'])
    const [first, second] = stderr.split('\n')
    expect(first).toBe('Cannot connect to Unix socket /no/such.sock: No such file or directory')
    expect(second).toMatch(/^hint: .*hostlinkd.*mounted/)
  })
  test('nobody listens on TCP', async () => {
    const { stderr } = await run(['-a', '127.0.0.1:1', 'ping'])
    const [first, second] = stderr.split('\n')
    expect(first).toBe('Cannot connect to 127.0.0.1:1: Connection refused')
    expect(second).toMatch(/^hint: /)
  })
  test('files', async () => {
    const { stderr, stdout } = await run(['-O', 'exec', 'printf "a\\000b"'])
    const file = /^\[oldhost\] exit=0 time=\d+ms stdout:(\S+) stderr:\S+\n$/.exec(stderr)?.[1]
    expect(stdout).toBe('')
    expect(await readFile(file!)).toEqual(Buffer.from('a\0b'))
  })
  test('detach: the id alone on stdout', async () => {
    const { stdout, stderr, code } = await run(['-D', 'exec', 'true'])
    expect(stdout).toMatch(/^[0-9a-f]{12}\n$/)
    const id = stdout.trim()
    expect(stderr).toBe(`[oldhost] detached - job ${id} (job status/tail/wait/cancel ${id})\n`)
    expect(code).toBe(0)
  })
  test('control bytes in a node name do not reach the terminal', () =>
    withDaemon({ node: 'x\u001b]0;owned\u0007' }, async other => {
      const { stdout } = await hostlink(['ping'], { env: reaching(other) })
      expect(stdout).toMatch(/^\[x\?]0;owned\?\] pong/)
    }))
})

describe('-j', () => {
  test('the answer as it came, in its order, on one line', async () => {
    const { stdout, stderr } = await run(['exec', '-j', 'echo hi'])
    expect(stderr).toBe('')
    expect(stdout.replace(/"id":"[^"]*"/, '"id":"X"').replace(/"duration_ms":\d+/, '"duration_ms":0')).toBe(
      '{"version":1,"id":"X","node":"oldhost","status":"ok","exit_code":0,"stdout":"hi\\n","stderr":"",' +
        '"stdout_truncated":false,"stderr_truncated":false,"stdout_original_bytes":3,"stderr_original_bytes":0,' +
        '"duration_ms":0}\n',
    )
  })
  test('is compact even when the daemon is not, and blanks inside strings stay', () =>
    withDaemon({ misbehave: 'spaced-json' }, async other => {
      const { stdout } = await hostlink(['-j', 'exec', 'echo "a  b\\" c"'], { env: reaching(other) })
      expect(stdout).toContain('"stdout":"a  b\\" c\\n","stderr":""')
      expect(stdout).toMatch(/^\{"version":1,"id":"[^ ]*","node":"oldhost","status":"ok",/)
      expect(stdout.trimEnd()).not.toContain('\n')
    }))
  test('a refusal is in the JSON, and in the exit code', async () => {
    const { stdout, stderr, code } = await run(['-j', '-w', '/no/such', 'exec', 'true'])
    expect(JSON.parse(stdout)).toMatchObject({ status: 'error', exit_code: -1 })
    expect({ stderr, code }).toEqual({ stderr: '', code: 4 })
  })
  test('what never became an answer is said in words', async () => {
    const { stdout, stderr, code } = await run(['-j', '-s', '/none', 'exec', 'true'])
    expect({ stdout, code }).toEqual({ stdout: '', code: 2 })
    expect(stderr).toMatch(/^Cannot connect/)
  })
  test('fields that nobody knows are kept and disturb nobody', () =>
    withDaemon({ misbehave: 'unknown-fields' }, async other => {
      const { stdout, code } = await hostlink(['-j', 'exec', 'true'], { env: reaching(other) })
      expect(JSON.parse(stdout)).toMatchObject({ grease: { deep: [null, 1] }, zzz: null })
      expect(code).toBe(0)
    }))
})

describe('large output', () => {
  test('with -j too', () =>
    withDaemon({}, async other => {
      const { stdout } = await hostlink(['-j', '-m', '64M', 'exec', `yes '"\\ ' | head -c 12000000`], {
        env: reaching(other),
      })
      expect(JSON.parse(stdout).stdout).toBe('"\\ \n'.repeat(3_000_000))
    }))
  test('is written whole into a pipe that is read slowly', async () => {
    await withDaemon({}, async other => {
      const child = spawn(
        process.execPath,
        [HOSTLINK, '-m', '8M', 'exec', 'yes 0123456789abcde | head -c 4000000'],
        {
          env: { PATH: process.env['PATH'], ...reaching(other) },
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      )
      let bytes = 0
      for await (const chunk of child.stdout) {
        bytes += chunk.length
        await new Promise(resolve => setTimeout(resolve, 1))
      }
      expect(bytes).toBe(4_000_000)
    })
  })
  test('into a pipe that another program has made non-blocking', async () => {
    const wrapper = `const { spawn } = require('node:child_process')
      const cli = spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' })
      new (require('node:net').Socket)({ fd: 1 })
      cli.on('exit', code => process.exit(code))`
    await withDaemon({}, async other => {
      const command = 'sleep 0.3; yes 0123456789abcde | head -c 1000000'
      const child = spawn(process.execPath, ['-e', wrapper, HOSTLINK, '-m', '8M', 'exec', command], {
        env: { PATH: process.env['PATH'], ...reaching(other) },
        stdio: ['ignore', 'pipe', 'ignore'],
      })
      const code = new Promise(resolve => child.on('close', resolve))
      let bytes = 0
      for await (const chunk of child.stdout) {
        bytes += chunk.length
        await new Promise(resolve => setTimeout(resolve, 1))
      }
      expect([bytes, await code]).toEqual([1_000_000, 0])
    })
  })
  test('a reader that goes away is no error', async () => {
    const shell = `"$0" "$1" -m 8M exec 'yes | head -c 4000000' | head -c 2; echo "\${PIPESTATUS[0]}"`
    const child = spawn('bash', ['--norc', '-c', shell, process.execPath, HOSTLINK], {
      env: { PATH: process.env['PATH'], ...reaching(daemon) },
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', data => {
        text += data
      })
    await new Promise(resolve => child.on('close', resolve))
    expect(steady(text).replace(/\[oldhost\].*\n/, '')).toBe('y\n0\n')
  })
})

describe('what is sent', () => {
  const last = () => daemon.requests.at(-1)!

  test('a plain exec carries no additions and asks for none', async () => {
    const before = daemon.requests.length
    await run(['exec', 'true'])
    expect(daemon.requests.length).toBe(before + 1)
    expect(Object.keys(last())).toEqual(['version', 'type', 'id', 'token', 'command'])
  })
  test('everything that was asked for', async () => {
    await run('-T 400 -m 1K --max-stderr 2k -O -w / -e A=1 -e B=x=y exec echo a b'.split(' '))
    expect(last()).toMatchObject({
      command: 'echo a b',
      timeout_ms: 400,
      max_stdout_bytes: 1024,
      max_stderr_bytes: 2048,
      output_to_file: true,
      workdir: '/',
      env: { A: '1', B: 'x=y' },
    })
  })
  test('ids fit a file name and differ', async () => {
    await run(['exec', 'true'])
    const first = last()['id']
    await run(['exec', 'true'])
    expect(last()['id']).not.toBe(first)
    expect(last()['id']).toMatch(/^[A-Za-z0-9._-]{1,64}$/)
  })
  test('-T of a job limits the job', async () => {
    await run(['-D', '-T', '9000', 'exec', 'true'])
    expect(last()).toMatchObject({ detach: true, job_timeout_ms: 9000 })
    expect(last()).not.toHaveProperty('timeout_ms')
  })
  test('the token is in no argument list', async () => {
    const { stdout } = await run(['exec', 'ps -eo args'])
    expect(stdout).not.toContain(daemon.token)
  })
})
