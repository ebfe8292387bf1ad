/** The same command lines against the existing daemon and against ours: people must not notice which one it is. */
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDaemonRig } from '../rig/daemon.ts'
import { hostlink, reaching, startHostlink, steady } from '../rig/hostlink-cli.ts'
import { startOldDaemon } from '../rig/old-daemon.ts'

type Reachable = { socket: string; token: string; stop(): Promise<void> }

describe.each<[string, string, () => Promise<Reachable>]>([
  ['the existing daemon', 'host', () => startOldDaemon({ node: 'host', maxTimeoutMs: 60_000 })],
  ['hostlinkd', 'host', () => startDaemonRig({ config: { node_name: 'host', max_timeout_ms: 60_000 } })],
])('%s', (_, node, start) => {
  let daemon: Reachable
  beforeAll(async () => {
    daemon = await start()
  })
  afterAll(() => daemon.stop())

  const run = (...args: string[]) => hostlink(args, { env: reaching(daemon) })
  const shown = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args)
    return [code, steady(stdout), steady(stderr)]
  }
  const job = async (command: string): Promise<string> => (await run('-D', 'exec', command)).stdout.trim()

  test('exec', async () => {
    expect(await shown('exec', 'echo out; echo err >&2; exit 9')).toEqual([
      1,
      'out\n',
      `[${node}] exit=9 time=Nms\nerr\n`,
    ])
    expect(await shown('exec', 'echo', '"a  b"', '$((1+1))')).toEqual([
      0,
      'a  b 2\n',
      `[${node}] exit=0 time=Nms\n`,
    ])
  })
  test('signals, not found, not executable', async () => {
    expect((await shown('--passthrough', 'exec', 'kill -9 $$'))[0]).toBe(137)
    expect((await shown('--passthrough', 'exec', 'no-such-thing-at-all'))[0]).toBe(127)
    expect((await shown('--passthrough', 'exec', '/etc/passwd'))[0]).toBe(126)
  })
  test('directory, variables, limits', async () => {
    expect((await shown('-w', '/', '-e', 'A=x y', 'exec', 'pwd; echo "$A"'))[1]).toBe('/\nx y\n')
    expect(await shown('-m', '3', 'exec', 'echo 123456')).toEqual([
      0,
      '123',
      `[${node}] exit=0 time=Nms stdout:truncated(7 total bytes)\n`,
    ])
  })
  test('timeout and clamp', async () => {
    expect(await shown('-T', '300', 'exec', 'echo part; sleep 20')).toEqual([
      5,
      'part\n',
      `[${node}] timeout after Nms\n`,
    ])
    expect((await shown('-T', '61000', 'exec', 'true'))[2]).toBe(
      `[${node}] warning: requested timeout 61000ms exceeds this daemon's max_timeout_ms; 60000ms was used\n[${node}] exit=0 time=Nms\n`,
    )
  })
  test('workdir, token', async () => {
    const [code, , stderr] = await shown('-w', '/no/such', 'exec', 'true')
    expect(code).toBe(4)
    expect(stderr).toMatch(/^\[host] error: workdir not accessible: /)
    expect((await shown('-k', 'wrong', 'ping')).slice(0, 2)).toEqual([3, ''])
  })
  test('files', async () => {
    const { stderr } = await run('-O', 'exec', 'printf "a\\000\\377"')
    const file = / stdout:(\S+) stderr:\S+\n$/.exec(stderr)?.[1]
    expect(readFileSync(file!)).toEqual(Buffer.from([97, 0, 255]))
  })
  test('-j begins with the same fields in the same order', async () => {
    const keys = Object.keys(JSON.parse((await run('-j', 'exec', 'true')).stdout))
    expect(keys).toEqual([
      ...['version', 'id', 'node', 'status', 'exit_code', 'stdout', 'stderr', 'stdout_truncated'],
      ...['stderr_truncated', 'stdout_original_bytes', 'stderr_original_bytes', 'duration_ms'],
    ])
  })

  test('a job is followed to its end', async () => {
    const id = await job('for i in 1 2 3; do echo line $i; sleep 0.1; done; echo e >&2; exit 4')
    expect(id).toMatch(/^[0-9a-f]{12}$/)
    const [code, stdout, stderr] = await shown('job', 'tail', '-f', id, '--interval', '50')
    expect([code, stdout]).toEqual([1, 'line 1\nline 2\nline 3\n'])
    expect(stderr).toBe(`[${node}] job ${id} exited exit=4 time=Nms out=21B err=2B\n`)
    expect((await shown('job', 'tail', id, '--stderr'))[2]).toMatch(/^e\n\[host] job/)
    expect((await shown('--passthrough', 'job', 'status', id))[0]).toBe(4)
  })
  test('a job is waited for, and its output shown', async () => {
    const id = await job('sleep 0.3; echo done')
    expect(await shown('job', 'wait', '-o', id)).toEqual([
      0,
      'done\n',
      `[${node}] job ${id} exited exit=0 time=Nms out=5B err=0B\n`,
    ])
    const { stdout } = await run('-j', 'job', 'wait', id)
    expect(JSON.parse(stdout)).toMatchObject({ status: 'ok', job_id: id, state: 'exited', done: true })
  })
  test('a wait has a limit, the job none', async () => {
    const id = await job('sleep 30')
    const [code, , stderr] = await shown('job', 'wait', id, '--wait-timeout', '200')
    expect([code, stderr]).toEqual([
      5,
      `[${node}] job ${id} still runs after 200ms, the job itself goes on\n`,
    ])
    expect(await shown('job', 'cancel', id)).toEqual([
      0,
      '',
      `[${node}] job ${id}: SIGTERM sent to the process group\n`,
    ])
    expect((await shown('--passthrough', 'job', 'wait', id))[0]).toBe(143)
    expect((await shown('job', 'cancel', '--kill', id))[0]).toBe(1)
  })
  test('the list', async () => {
    const id = await job('echo listed')
    await run('job', 'wait', id)
    const { stdout } = await run('job', 'list')
    expect(stdout.split('\n').find(line => line.startsWith(id))).toMatch(
      /^[0-9a-f]{12} {2}exited {4}exit=0 {5} *\d+ms {2}out=7 {10}echo listed$/,
    )
    expect(JSON.parse((await run('-j', 'job', 'list')).stdout).jobs).toContainEqual(
      expect.objectContaining({ job_id: id }),
    )
  })
  test('jobs that are none', async () => {
    expect((await shown('job', 'wait', 'ffffffffffff'))[0]).toBe(4)
    expect(await shown('job', 'wait', 'xyz')).toEqual([
      7,
      '',
      '"xyz" is not a job id (12 hex digits)\nhint: hostlink job list shows them\n',
    ])
    expect((await shown('job', 'stauts', 'ffffffffffff'))[2]).toBe(
      'unknown job action "stauts"\nhint: did you mean status?\n',
    )
  })
  test('Ctrl-C while a job is followed leaves the job alone', async () => {
    const id = await job('echo begun; sleep 30')
    const following = startHostlink(['job', 'tail', '-f', id], { env: reaching(daemon) })
    await new Promise(resolve => following.child.stdout!.once('data', resolve))
    following.child.kill('SIGINT')
    const { code, stderr } = await following.ended
    expect([code, stderr]).toEqual([
      130,
      `interrupted; the job goes on\nhint: hostlink job cancel ${id} ends it\n`,
    ])
    expect(JSON.parse((await run('-j', 'job', 'status', id)).stdout)).toMatchObject({ done: false })
    await run('job', 'cancel', '--kill', id)
  })
  test('nothing of the client is left behind', () => expect(existsSync(daemon.socket)).toBe(true))
})
