/** Runs on the host: the real client, the real daemon, real runners; each of them killed while the others go on. */
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type HostRig, hostRig } from '../rig/host.ts'
import { HOSTOPS, type HostopsRig, hostopsRig, poll, reportOf } from '../rig/hostops.ts'

let rig: HostopsRig
let host: HostRig
beforeEach(async () => {
  rig = hostopsRig()
  host = await hostRig(rig)
})
afterEach(async () => {
  await host.stop()
  await rig.remove()
})

const TARGET = ['--target', 'hostlink']
const at = (...args: string[]) => rig.run([...args, ...TARGET], { env: host.env })
const begin = (file: string, ...more: string[]) =>
  rig.start(['run', file, '--on-host', ...TARGET, '--run-id', 'r', ...more], { env: host.env })
const letGo = () => writeFileSync(rig.path('go'), '')

/** Counts each time that it really runs, waits until it is let go, and can be taken back. */
const steps = () => [
  {
    id: 'write',
    run: ['sh', '-c', `echo x >> ${rig.path('count')}`],
    undo: ['rm', '-f', rig.path('count')],
    verify: ['test', '!', '-e', rig.path('count')],
  },
  {
    id: 'gate',
    run: [
      'sh',
      '-c',
      `while test -d ${rig.folder} && ! test -e ${rig.path('go')}; do sleep 0.05; done; echo passed`,
    ],
    effect: 'read',
  },
]
const counted = () => rig.read('count')
const atGate = () => poll(() => host.journal('r').includes('"step-started","id":"gate"'))
const lineOnHost = () => {
  const [job] = host.jobs()
  return readFileSync(join(host.folder, 'output', 'jobs', job!, 'stdout'), 'utf8')
}

describe('a run on the host', () => {
  test('is followed; its line is the host’s own, byte for byte, now and later', async () => {
    const run = begin(rig.playbook('p', steps()), '--output', 'lines')
    await run.until(/gate/)
    letGo()
    const ended = await run.ended
    expect(ended.stderr).toContain('passed')
    expect(ended.report).toMatchObject({ runId: 'r', outcome: 'succeeded', success: true })
    expect(ended.code).toBe(0)
    expect(ended.stdout).toBe(lineOnHost())
    for (const verb of ['report', 'wait']) {
      const again = await at(verb, 'r')
      expect([again.stdout, again.code]).toEqual([ended.stdout, 0])
    }
    expect((await at('report', 'last')).stdout).toBe(ended.stdout)
    expect((await at('logs', 'r')).stdout).toBe('gate | passed\n')
    expect((await at('runs')).stdout).toMatch(/^r +succeeded +p /m)
    // The run itself has the target local; who called it has another name for the place.
    expect(JSON.parse(host.journal('r').split('\n')[0]!)).toMatchObject({
      ...{ v: 2, type: 'run-started', target: 'local' },
      caller: { by: { kind: 'token', name: expect.any(String) }, target: 'hostlink', parent: null },
    })
    // The run itself has the target local. Its caller has another name for the place.
    expect(JSON.parse(host.journal('r').split('\n')[0]!)).toMatchObject({
      ...{ v: 2, type: 'run-started', target: 'local' },
      caller: { by: { kind: 'token', name: expect.any(String) }, target: 'hostlink', parent: null },
    })
    expect(counted()).toBe('x\n')
  })

  test('tells its events while it goes on, each once, and from behind any of them', async () => {
    await at('run', rig.playbook('p', steps()), '--detach', '--run-id', 'r')
    const following = rig.start(['events', 'r', '-f', ...TARGET], { env: host.env })
    await poll(() => following.stdout().includes('"step-started","id":"gate"'))
    const soFar = (await at('events', 'r')).stdout
    letGo()
    const { stdout, code } = await following.ended
    expect([stdout, code]).toEqual([host.journal('r'), 0])
    expect(stdout.startsWith(soFar)).toBe(true)
    expect((await at('events', 'r', '--after', '2')).stdout).toBe(stdout.split('\n').slice(2).join('\n'))
    expect(await at('events', 'r', '-f', '--after', '999')).toMatchObject({ stdout: '', code: 0 })
    expect((await at('wait', 'r')).report.outcome).toBe('succeeded')
  })

  test('handed over with --detach: the line says started, and later how it ended', async () => {
    const ended = await at('run', rig.playbook('p', steps()), '--detach', '--run-id', 'r')
    expect(ended.report).toMatchObject({ runId: 'r', outcome: 'started', success: null, finishedAt: null })
    expect(ended.code).toBe(0)
    // At once, while its runner is only starting.
    expect((await at('report', 'r')).report).toMatchObject({ runId: 'r', outcome: 'started' })
    const follower = rig.start(['logs', 'r', '-f', ...TARGET], { env: host.env })
    await atGate()
    const early = await at('wait', 'r', '--timeout', '10ms')
    expect(early).toMatchObject({ code: 6, report: { runId: 'r', outcome: 'unknown', success: null } })
    expect(early.stderr).toBe(
      'error: run r is still running\nhint: hostops wait r --target hostlink   waits for its end\n',
    )
    letGo()
    const waited = await at('wait', 'r')
    expect(waited.report).toMatchObject({ outcome: 'succeeded' })
    expect((await follower.ended).stdout).toBe('gate | passed\n')
  })

  test.each(['hostlink', 'local'])(
    'handed over with --detach to %s, it is known to every command at once',
    async target => {
      const path = rig.playbook('p', steps())
      const env = target === 'local' ? {} : host.env
      await rig.run(['run', path, '--detach', '--run-id', 'r', '--target', target], { env })
      const there = target === 'local' ? [] : TARGET
      const early = await Promise.all(
        [['wait', 'r', '--timeout', '0s'], ['report', 'r'], ['runs']].map(words =>
          rig.run([...words, ...there], { env }),
        ),
      )
      expect(early.map(({ code }) => code)).toEqual([6, 0, 0])
      expect(early[2]!.stdout).toMatch(/^r +(running|started) +/m)
      expect((await rig.run(['cancel', 'r', ...there], { env })).code).toBe(0)
      letGo()
      expect((await rig.run(['wait', 'r', ...there], { env })).report).toMatchObject({
        outcome: 'interrupted',
      })
    },
  )

  test('handed over once more under its id: it still runs, or how it has ended', async () => {
    const file = rig.playbook('p', [...steps(), { id: 'bad', run: ['false'], effect: 'read' }])
    const handOver = () => at('run', file, '--detach', '--run-id', 'r')
    await handOver()
    await atGate()
    const again = await handOver()
    expect([again.code, again.report.outcome]).toEqual([0, 'started'])
    expect(again.stderr).toContain('r was started before\nr goes on at the host')
    letGo()
    const ended = await at('wait', 'r')
    const late = await handOver()
    expect(late).toMatchObject({ code: 1, stdout: ended.stdout, report: { outcome: 'rolled-back' } })
    expect(late.stderr).toContain('r was started before, and has ended\nRolled back, verified')
    expect(late.stderr).toContain('  error    "false" ended with exit code 1')
  })

  test('goes on when its client is killed', async () => {
    const run = begin(rig.playbook('p', steps()))
    await atGate()
    run.child.kill('SIGKILL')
    await run.ended
    letGo()
    expect((await at('wait', 'r')).report).toMatchObject({ outcome: 'succeeded' })
    expect(counted()).toBe('x\n')
  })

  test('goes on when its client is told to end, which says that it does not know the end', async () => {
    const run = begin(rig.playbook('p', steps()))
    await atGate()
    run.child.kill('SIGTERM')
    const ended = await run.ended
    expect(ended.report).toMatchObject({ runId: 'r', outcome: 'unknown', success: null })
    expect(ended.code).toBe(6)
    expect(ended.stderr).toContain('hostops wait r --target hostlink')
    letGo()
    expect((await at('wait', 'r')).report).toMatchObject({ outcome: 'succeeded' })
  })

  test('is met again by a trigger that comes while the daemon is restarted', async () => {
    const file = rig.playbook('p', steps())
    expect((await begin(file, '--detach').ended).report.outcome).toBe('started')
    await host.kill('SIGTERM')
    const again = begin(file, '--detach')
    await new Promise(resolve => setTimeout(resolve, 500))
    await host.start()
    expect((await again.ended).report).toMatchObject({ runId: 'r', outcome: 'started' })
    letGo()
    expect((await at('wait', 'r')).report).toMatchObject({ outcome: 'succeeded' })
  })

  test('goes on when the daemon is killed and started again; the client follows it to its end', async () => {
    const run = begin(rig.playbook('p', steps()))
    await atGate()
    await host.kill()
    await host.start()
    await run.until(/hostlink answers again/)
    letGo()
    const ended = await run.ended
    expect(ended.stderr).toMatch(/cannot reach hostlink: .*; the run goes on there, and is asked about again/)
    expect(ended.report).toMatchObject({ outcome: 'succeeded' })
    expect(ended.stdout).toBe(lineOnHost())
    expect(counted()).toBe('x\n')
  })

  test('asked for many times at the same moment is one run', async () => {
    const file = rig.playbook('p', steps())
    letGo()
    const all = await Promise.all(Array.from({ length: 4 }, () => begin(file).ended))
    expect(new Set(all.map(each => each.stdout)).size).toBe(1)
    expect(all[0]!.report).toMatchObject({ outcome: 'succeeded' })
    expect(counted()).toBe('x\n')
    expect(host.jobs()).toHaveLength(1)
    const other = await begin(rig.playbook('other', steps())).ended
    expect(other.report).toMatchObject({ outcome: 'invalid' })
    expect(other.report.error).toContain('was used for another playbook or other inputs')
    expect(counted()).toBe('x\n')
  })

  test('that fails is taken back there', async () => {
    const file = rig.playbook('p', [...steps(), { id: 'bad', run: ['false'], effect: 'read' }])
    letGo()
    const ended = await begin(file).ended
    expect(ended.report).toMatchObject({ outcome: 'rolled-back', failedStep: 'bad', rollbackVerified: true })
    expect([ended.code, rig.exists('count')]).toEqual([1, false])
    expect((await at('report', 'r')).code).toBe(1)
  })

  test('is cancelled by Ctrl-C of who follows it, and by hostops cancel; twice stops the rolling back', async () => {
    const run = begin(rig.playbook('p', steps()))
    await atGate()
    run.child.kill('SIGINT')
    const ended = await run.ended
    expect(ended.report).toMatchObject({ outcome: 'interrupted', rollbackPerformed: true })
    expect([ended.code, ended.report.error, rig.exists('count')]).toEqual([
      130,
      'interrupted by SIGINT',
      false,
    ])

    const slow = rig.playbook('slow', [{ ...steps()[0], undo: ['sleep', '60'] }, steps()[1]!])
    const second = rig.start(['run', slow, '--on-host', ...TARGET, '--run-id', 's'], { env: host.env })
    await poll(() => host.journal('s').includes('"step-started","id":"gate"'))
    expect((await at('cancel', 's')).code).toBe(0)
    await poll(() => host.journal('s').includes('part-started'))
    expect((await at('cancel', 's')).code).toBe(0)
    const { report } = await second.ended
    expect(report.success).toBe(false)
    expect(report.rollbackError).toContain('write')
    expect((await at('cancel', 's')).code).toBe(3)
  })

  test('with wrong inputs, a wrong playbook, an unknown name or no host says so in its line', async () => {
    const file = rig.playbook('p', steps(), { inputs: { n: { type: 'integer' } } })
    const wrong = await begin(file, '-i', 'n=many', '-i', 'm=1').ended
    expect([wrong.report.outcome, wrong.report.errorCode, wrong.code]).toEqual([
      'invalid',
      'inputs-invalid',
      2,
    ])
    expect(wrong.report.error).toMatch(/unknown input "m".*input "n"/)
    expect(wrong.stderr).toMatch(/error +unknown input "m"/)
    expect(wrong.stderr).toMatch(/hint +give them as -i key=value; it takes n \(integer\)\n/)
    const endless = await begin(file, '-i', 'n=@/dev/zero').ended
    expect([endless.report.outcome, endless.report.error]).toEqual([
      'invalid',
      expect.stringContaining('more than 64 KiB'),
    ])
    const broken = await at('run', rig.write('b.yaml', 'hostops: 1\nname: b\n'), '--on-host')
    expect([broken.report.outcome, broken.report.errorCode]).toEqual(['invalid', 'playbook-invalid'])
    expect(broken.report.target).toBe('hostlink')
    const unknown = await at('run', 'nothing-there', '--on-host')
    expect([unknown.report.outcome, unknown.report.error]).toEqual([
      'invalid',
      expect.stringContaining('nothing-there'),
    ])
    const env = { ...host.env, HOSTLINK_SOCKET: rig.path('nobody') }
    const away = await rig.run(['run', file, '--on-host', ...TARGET], { env })
    expect([away.report.outcome, away.code]).toEqual(['unreachable', 4])
    // Nothing is known of a run that may well go on.
    for (const verb of ['report', 'wait'])
      expect(await rig.run([verb, 'r', ...TARGET], { env })).toMatchObject({
        code: 6,
        report: { runId: 'r', outcome: 'unknown', success: null, changed: null, errorCode: 'unreachable' },
      })
    const none = await at('report', 'nothing')
    expect([none.code, none.stdout]).toEqual([2, ''])
  })

  test('whose report holds any character has the same line everywhere', async () => {
    const file = rig.playbook('p', [
      {
        id: 'bad',
        run: [
          'sh',
          '-c',
          String.raw`printf '\342\200\250 \342\200\256 \303\257 \346\227\245\346\234\254\n' >&2; exit 3`,
        ],
        effect: 'read',
      },
    ])
    const ended = await begin(file).ended
    expect(ended.report).toMatchObject({
      outcome: 'failed-unchanged',
      logsTail: expect.stringContaining('日本'),
    })
    expect(ended.stdout).toBe(lineOnHost())
    expect((await at('report', 'r')).stdout).toBe(ended.stdout)
    expect((await rig.run(['report', 'r'], { env: { HOSTOPS_STATE_DIR: host.state } })).stdout).toBe(
      ended.stdout,
    )
  })

  test('whose runner is killed has no known end, until somebody on the host finishes it', async () => {
    const run = begin(rig.playbook('p', steps()))
    await atGate()
    process.kill(host.runner('r'), 'SIGKILL')
    const ended = await run.ended
    expect(ended.report).toMatchObject({ runId: 'r', outcome: 'unknown', success: null })
    expect(ended.code).toBe(6)
    expect(ended.stderr).toMatch(
      /error {4}the runner of r is gone, and nobody saw how \w+ ended\n {2}hint {5}hostops resume r --target hostlink goes on with it, hostops rollback r --target hostlink takes it back\n/,
    )
    letGo()
    const resumed = await rig.run(['resume', 'r'], { env: { HOSTOPS_STATE_DIR: host.state } })
    expect(resumed.report).toMatchObject({ outcome: 'succeeded' })
    const asked = await at('report', 'r')
    expect([asked.stdout, asked.code]).toEqual([resumed.stdout, 0])
    expect((await begin(rig.path('p.yaml')).ended).stdout).toBe(resumed.stdout)
    expect(counted()).toBe('x\n')
  })

  test('can be checked there first, and held to what was seen', async () => {
    const file = rig.playbook('p', [
      { run: ['touch', rig.path('count')], undo: ['rm', '-f', rig.path('count')] },
    ])
    const checked = await at('run', file, '--check', '--on-host')
    expect(checked.report).toMatchObject({ outcome: 'planned', dryRun: true, planHash: expect.any(String) })
    expect(rig.exists('count')).toBe(false)
    const moved = await at('run', file, '--on-host', '--plan', 'ffff')
    expect([moved.report.outcome, moved.report.errorCode, moved.code]).toEqual(['refused', 'plan-moved', 3])
    const held = await at('run', file, '--on-host', '--plan', checked.report.planHash!)
    expect(held.report.outcome).toBe('succeeded')
  })

  test('runs each step once, whatever of client and daemon is killed whenever', async () => {
    const ids = Array.from({ length: 30 }, (_, at) => `s${at}`)
    const file = rig.playbook(
      'p',
      ids.map(id => ({ id, run: ['sh', '-c', `echo ${id} >> ${rig.path('count')}; sleep 0.05`] })),
    )
    const run = begin(file)
    await poll(() => rig.exists('count'))
    run.child.kill('SIGKILL')
    await run.ended
    let line = ''
    while (line === '') {
      const client = begin(file)
      const delay = new Promise(resolve => setTimeout(resolve, 50 + Math.random() * 600))
      await Promise.race([delay, client.ended])
      if (Math.random() < 0.5) {
        await host.kill()
        await host.start()
      }
      if (Math.random() < 0.5) client.child.kill('SIGKILL')
      const ended = await client.ended
      if (ended.signal === null) line = ended.stdout
    }
    expect(JSON.parse(line.slice(line.indexOf('{')))).toMatchObject({ runId: 'r', outcome: 'succeeded' })
    expect(counted()).toBe(ids.map(id => `${id}\n`).join(''))
    expect((await at('report', 'r')).stdout).toBe(line)
  })

  test('has its secrets in no argument and in no file once it has ended', async () => {
    const inputs = { key: { type: 'secret' } }
    const file = rig.playbook(
      'p',
      [
        {
          id: 'use',
          script: 'test "$(printf %s "$K" | wc -c)" -eq 17',
          shell: 'sh',
          env: { K: '${{ inputs.key }}' },
        },
        ...steps(),
      ],
      { inputs },
    )
    const run = begin(file, '-i', 'key=s3cr3t-value-here')
    await atGate()
    const argv = readFileSync(`/proc/${host.runner('r')}/cmdline`, 'utf8')
    expect(argv).toContain('--as-host')
    expect(argv).not.toContain('s3cr3t')
    letGo()
    expect((await run.ended).report).toMatchObject({ outcome: 'succeeded' })
    await poll(() => !rig.everythingIn('host').includes('s3cr3t'))
  })

  test('lives where only the bundles are, in a folder of somebody else’s package', async () => {
    cpSync(dirname(HOSTOPS), rig.path('app', 'hostops'), { recursive: true })
    rig.write('app/package.json', '{"name":"app"}')
    letGo()
    const args = ['run', rig.playbook('p', steps()), '--on-host']
    const env = { ...rig.env, HOSTOPS_STATE_DIR: rig.path('own-state') }
    const line = execFileSync(process.execPath, [rig.path('app', 'hostops', 'hostops.cjs'), ...args], {
      env,
      stdio: 'pipe',
    })
    expect(reportOf(line.toString())).toMatchObject({ outcome: 'succeeded', target: 'local' })
  })

  test('lives on this machine as well, without a daemon', async () => {
    const env = { HOSTOPS_STATE_DIR: rig.path('own-state') }
    const run = rig.start(['run', rig.playbook('p', steps()), '--on-host', '--run-id', 'r'], { env })
    await poll(() => rig.exists('count'))
    run.child.kill('SIGKILL')
    await run.ended
    letGo()
    const ended = await rig.run(['wait', 'r'], { env })
    expect(ended.report).toMatchObject({ outcome: 'succeeded', target: 'local' })
    expect(counted()).toBe('x\n')
  })
})

describe('a run on the host that was left half-way', () => {
  const halfWay = async (more: object = {}, ...inputs: string[]) => {
    const last = {
      ...{ id: 'last', run: ['touch', rig.path('last')], undo: ['rm', '-f', rig.path('last')] },
      verify: ['test', '!', '-e', rig.path('last')],
    }
    const run = begin(rig.playbook('p', [...steps(), last], more), '--detach', ...inputs)
    expect((await run.ended).report.outcome).toBe('started')
    await atGate()
    process.kill(host.runner('r'), 'SIGKILL')
    await poll(async () => (await at('report', 'r')).report.outcome === 'unknown')
    letGo()
  }

  test('is finished from a later client, which follows it; the line is the same everywhere', async () => {
    await halfWay()
    const resumed = await at('resume', 'r', '--output', 'lines')
    expect(resumed, resumed.stderr).toMatchObject({ code: 0, report: { runId: 'r', outcome: 'succeeded' } })
    expect(resumed.stderr).toMatch(/gate \| passed/)
    expect(counted()).toBe('x\n')
    for (const verb of ['resume', 'report', 'wait'])
      expect(await at(verb, 'r')).toMatchObject({ code: 0, stdout: resumed.stdout })
  })

  test('is taken back from a later client, also when it was finished before', async () => {
    await halfWay()
    expect((await at('resume', 'last')).report.outcome).toBe('succeeded')
    expect(rig.exists('last')).toBe(true)
    const back = await at('rollback', 'r')
    expect(back).toMatchObject({ code: 1, report: { outcome: 'rolled-back', rollbackVerified: true } })
    expect([rig.exists('last'), rig.exists('count')]).toEqual([false, false])
    for (const verb of ['rollback', 'resume', 'report'])
      expect(await at(verb, 'r')).toMatchObject({ code: 1, stdout: back.stdout })
  })

  test('goes on when the client that asked for it is killed', async () => {
    await halfWay()
    rmSync(rig.path('go'))
    const asking = rig.start(['resume', 'r', '--output', 'lines', ...TARGET], { env: host.env })
    await asking.until(/going on with run r/)
    asking.child.kill('SIGKILL')
    await asking.ended
    letGo()
    const told = await at('wait', 'r')
    expect(told).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect(counted()).toBe('x\n')
  })

  test('goes on when the daemon is killed and started again while it is finished', async () => {
    await halfWay()
    rmSync(rig.path('go'))
    const asking = rig.start(['resume', 'r', '--output', 'lines', ...TARGET], { env: host.env })
    await asking.until(/going on with run r/)
    await host.kill()
    await host.start()
    letGo()
    const ended = await asking.ended
    expect(ended, ended.stderr).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect((await at('report', 'r')).stdout).toBe(ended.stdout)
    expect(counted()).toBe('x\n')
  })

  test('has its secrets where it is resumed, however they were given, and nowhere afterwards', async () => {
    await halfWay({ inputs: { key: { type: 'secret' } } }, '-i', 'key=very-secret-word')
    const resumed = await at('resume', 'r')
    expect(resumed, resumed.stderr).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    await poll(() => !rig.everythingIn('host/state').includes('very-secret-word'))
    const missing = await at('rollback', 'r')
    expect(missing).toMatchObject({ code: 2, report: { outcome: 'invalid', errorCode: 'inputs-invalid' } })
    const back = await at('rollback', 'r', '-i', 'key=very-secret-word')
    expect(back.report.outcome).toBe('rolled-back')
    await poll(() => !rig.everythingIn('host/state').includes('very-secret-word'))
  })

  test('is refused, in one line, while it has a runner, where there is none, and where nobody answers', async () => {
    const run = begin(rig.playbook('p', steps()))
    await atGate()
    expect(await at('rollback', 'r')).toMatchObject({
      code: 3,
      report: { runId: 'r', outcome: 'refused', errorCode: 'has-a-runner' },
    })
    letGo()
    expect((await run.ended).report.outcome).toBe('succeeded')
    expect(await at('resume', 'none')).toMatchObject({ code: 2, report: { outcome: 'invalid' } })
    await host.kill('SIGTERM')
    expect(await at('resume', 'r')).toMatchObject({ code: 4, report: { outcome: 'unreachable' } })
  })
})

describe('confirm on the host', () => {
  const sure = (within: string) => [...steps(), { id: 'sure', uses: 'confirm', with: { within } }]
  const awaited = () => poll(() => host.journal('r').includes('confirm-awaited'))

  test('is refused before the step, taken in time, fine twice', async () => {
    const run = begin(rig.playbook('p', sure('1h')))
    await atGate()
    const early = await at('confirm', 'r')
    expect([early.code, early.stderr]).toEqual([
      3,
      expect.stringContaining('does not wait for a confirmation yet'),
    ])
    expect(early.stderr).toContain('hostops logs r -f --target hostlink')
    letGo()
    await awaited()
    expect((await at('confirm', 'r')).code).toBe(0)
    expect((await run.ended).report).toMatchObject({ outcome: 'succeeded' })
    expect((await at('confirm', 'r')).code).toBe(0)
  })

  test('that does not come takes the run back, with nobody there', async () => {
    letGo()
    await at('run', rig.playbook('p', sure('500ms')), '--detach', '--run-id', 'r')
    const ended = await at('wait', 'r')
    expect(ended.report).toMatchObject({ outcome: 'rolled-back', failedStep: 'sure', rollbackVerified: true })
    expect(rig.exists('count')).toBe(false)
    expect((await at('confirm', 'r')).code).toBe(3)
  })

  test('is still waited for after daemon and runner were killed', async () => {
    letGo()
    const run = begin(rig.playbook('p', sure('1h')))
    await awaited()
    await host.kill()
    process.kill(host.runner('r'), 'SIGKILL')
    await host.start()
    await poll(() => host.journal('r').includes('"resumed"'))
    expect((await at('confirm', 'r')).code).toBe(0)
    const ended = await run.ended
    expect(ended.report).toMatchObject({ outcome: 'succeeded' })
    expect((await at('report', 'r')).stdout).toBe(ended.stdout)
    expect(counted()).toBe('x\n')
  })

  test('whose deadline passed while nothing lived takes the run back at the start', async () => {
    letGo()
    await at('run', rig.playbook('p', sure('2s')), '--detach', '--run-id', 'r')
    await awaited()
    await host.kill()
    process.kill(host.runner('r'), 'SIGKILL')
    const [, deadline] = /"deadline":(\d+)/.exec(host.journal('r'))!
    await poll(() => Date.now() > Number(deadline))
    await host.start()
    const ended = await at('wait', 'r')
    expect(ended.report).toMatchObject({ outcome: 'rolled-back', failedStep: 'sure' })
    expect(rig.exists('count')).toBe(false)
  })

  test('that was missed takes the run back also when everything dies on the way back', async () => {
    letGo()
    const undo = {
      script: `echo begun >> ${rig.path('back')}; while test -d ${rig.folder} && ! test -e ${rig.path('on')}; do sleep 0.05; done`,
    }
    const slow = { id: 'slow', run: ['true'], undo, verify: ['test', '-e', rig.path('back')] }
    await at('run', rig.playbook('p', [slow, ...sure('300ms')]), '--detach', '--run-id', 'r')
    await poll(() => rig.exists('back'))
    await host.kill()
    process.kill(host.runner('r'), 'SIGKILL')
    writeFileSync(rig.path('on'), '')
    await host.start()
    const ended = await at('wait', 'r')
    expect(ended.report).toMatchObject({ outcome: 'rolled-back', failedStep: 'sure', rollbackVerified: true })
    expect(rig.exists('count')).toBe(false)
  })

  test('is all that goes on by itself: other runs without a runner are named in the log', async () => {
    await at('run', rig.playbook('p', sure('1h')), '--detach', '--run-id', 'r')
    await atGate()
    await host.kill()
    process.kill(host.runner('r'), 'SIGKILL')
    await host.start()
    await poll(() => host.log().includes('run r was left half-way'))
    expect(host.log()).toContain(`HOSTOPS_STATE_DIR=${host.state} hostops rollback r`)
    expect(host.journal('r')).not.toContain('"resumed"')
    const asked = await at('report', 'r')
    expect([asked.report.outcome, asked.code]).toEqual(['unknown', 6])
  })
})

describe('a token that may only run playbooks', () => {
  let agent: { [name: string]: string }
  const as = (...args: string[]) => rig.run([...args, ...TARGET], { env: agent })
  const inputs = {
    where: { type: 'path' },
    text: { type: 'string', pattern: '^[a-z]+$' },
    times: { type: 'integer', default: 1 },
  }
  const write = {
    id: 'w',
    script: 'echo "$TEXT $TIMES" > "$WHERE"',
    shell: 'sh',
    env: { TEXT: '${{ inputs.text }}', TIMES: '${{ inputs.times }}x', WHERE: '${{ inputs.where }}' },
  }

  beforeEach(async () => {
    await host.stop()
    host = await hostRig(rig, { policy: {} })
    agent = host.agentEnv
    const digest = host.install('write', [write], { inputs })
    host.install('other', [write], { inputs })
    host.writePolicy([{ name: 'write', digest: `sha256:${digest}`, pinned: { where: rig.path('written') } }])
    await host.kill('SIGTERM')
    await host.start()
  })

  test('runs them by name with inputs that are typed on the host, and reads their reports', async () => {
    const ended = await as('run', 'write', '--on-host', '--run-id', 'r', '-i', 'text=hello', '-i', 'times=3')
    expect(ended.report).toMatchObject({ runId: 'r', playbook: 'write', outcome: 'succeeded' })
    expect(rig.read('written')).toBe('hello 3x\n')
    expect((await as('report', 'r')).stdout).toBe(ended.stdout)
    expect((await as('wait', 'r')).stdout).toBe(ended.stdout)
    expect(JSON.parse((await as('runs', '--json')).stdout)).toMatchObject([{ runId: 'r' }])
    const wrong = await as('run', 'write', '--on-host', '-i', 'text=HELLO; rm', '-i', 'times=many')
    expect(wrong.report).toMatchObject({ outcome: 'invalid', errorCode: 'inputs-invalid' })
  })

  test('cannot be the second pair of eyes of its own run; a token that sees it can', async () => {
    const digest = host.install('watched', [{ id: 'sure', uses: 'confirm', with: { by: 'other' } }])
    host.writePolicy([{ name: 'watched', digest: `sha256:${digest}` }])
    await host.kill('SIGTERM')
    await host.start()
    await as('run', 'watched', '--detach', '--run-id', 'r')
    await poll(() => host.journal('r').includes('confirm-awaited'))
    const own = await as('confirm', 'r')
    expect([own.code, own.stderr]).toEqual([3, expect.stringContaining('somebody other than who started')])
    expect((await at('confirm', 'r')).code).toBe(0)
    expect((await as('wait', 'r')).report).toMatchObject({ outcome: 'succeeded' })
    expect(host.journal('r')).toMatch(
      /"type":"confirmed","id":"sure","by":\{"kind":"token","name":"(?!agent)/,
    )
  })

  test('tells which ones, and what they want', async () => {
    const { stdout } = await as('list', '--json')
    expect(JSON.parse(stdout)).toMatchObject([
      {
        ...{ name: 'write', problem: null },
        inputs: [
          { name: 'where', type: 'path', from: 'pinned', value: rig.path('written') },
          { name: 'text', from: 'caller', pattern: '^[a-z]+$' },
          { name: 'times', from: 'default', value: 1 },
        ],
      },
    ])
    expect((await as('show', 'write')).stdout).toContain(
      'hostops run write -i text=... --target hostlink --on-host',
    )
    expect(await as('show', 'other')).toMatchObject({
      ...{ code: 2, stdout: '' },
      stderr: expect.stringContaining('hostops list --target hostlink'),
    })
    expect((await as('doctor')).stdout).toMatch(/target hostlink\n {2}\S+ write/)
  })

  test('does nothing else', async () => {
    const denied = async (rule: RegExp, ...args: string[]) => {
      const ended = await as(...args)
      expect(ended.report).toMatchObject({ outcome: 'refused', errorCode: 'denied', changed: false })
      expect(ended.report.error).toMatch(rule)
      expect(ended.code).toBe(3)
    }
    const given = ['--on-host', '-i', 'text=a']
    await denied(/other is not in it/, 'run', 'other', ...given, '-i', `where=${rig.path('written')}`)
    await denied(/where of write is pinned/, 'run', 'write', ...given, '-i', 'where=/etc/passwd')
    await denied(/not the text of one/, 'run', rig.playbook('own', [write], { inputs }), ...given)
    await denied(/rollback/, 'run', 'write', ...given, '--no-rollback')
    const steps = await as('run', rig.playbook('cmd', [{ run: ['touch', rig.path('written')] }]))
    expect(steps.report.success).toBe(false)
    expect(steps.report.error).toContain('exec is not allowed, only run')
    expect(rig.exists('written')).toBe(false)
  })

  test('sees no run of another token, and a changed playbook runs no more', async () => {
    const other = await rig.run(
      [
        'run',
        'write',
        '--on-host',
        ...TARGET,
        '--run-id',
        'o',
        '-i',
        'text=a',
        '-i',
        `where=${rig.path('w')}`,
      ],
      { env: host.env },
    )
    expect(other.report.outcome).toBe('succeeded')
    for (const verb of ['report', 'wait', 'logs', 'confirm', 'cancel']) {
      const asked = await as(verb, 'o')
      expect([asked.code, asked.stdout, asked.stderr]).toEqual([2, '', expect.stringContaining('no run "o"')])
    }
    const mine = await as('run', 'write', '--on-host', '--run-id', 'm', '-i', 'text=a')
    for (const verb of ['resume', 'rollback'])
      expect(await as(verb, 'm')).toMatchObject({
        code: 3,
        report: { outcome: 'refused', errorCode: 'denied' },
      })
    expect((await as('report', 'm')).stdout).toBe(mine.stdout)
    const taken = await as('run', 'write', '--on-host', '--run-id', 'o', '-i', 'text=a')
    expect(taken.report).toMatchObject({ outcome: 'invalid' })
    await rig.run(['run', rig.playbook('plain', [{ run: ['true'] }]), '--run-id', 'mine'], {
      env: { HOSTOPS_STATE_DIR: host.state },
    })
    const stolen = await as('run', 'write', '--on-host', '--run-id', 'mine', '-i', 'text=a')
    expect(stolen.report.error).toContain('was used for a run of somebody else')
    expect((await as('report', 'mine')).code).toBe(2)
    host.install('write', [{ ...write, name: 'changed' }], { inputs })
    const changed = await as('run', 'write', '--on-host', '-i', 'text=a')
    expect(changed.report.error).toMatch(/not the one that was reviewed/)
  })
})
