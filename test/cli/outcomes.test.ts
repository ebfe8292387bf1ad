/** The outcome table of the contract: one row, one test, on each target that can have it. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type Sshd, sshdMissing, startSshd } from '../rig/sshd.ts'

const FAIL = { id: 'fail', run: ['/bin/false'], effect: 'read' }
const touch = (file: string) => ({
  ...{ id: 'touch', run: ['touch', file], undo: ['rm', '-f', file] },
  verify: ['test', '!', '-e', file],
})

describe.for(['local', 'hostlink', 'ssh:testhost'] as const)('on %s', target => {
  const cannot = target === 'ssh:testhost' ? sshdMissing : null
  const onTarget = cannot === null ? table : () => test.skip(cannot, () => {})
  onTarget(target)
})

function table(target: 'local' | 'hostlink' | 'ssh:testhost'): void {
  let rig: HostopsRig
  let daemon: DaemonRig | null = null
  let sshd: Sshd | null = null
  let env: NodeJS.ProcessEnv = {}
  const run = (playbook: string, ...args: string[]) =>
    rig.run(['run', playbook, '--target', target, ...args], { env })

  beforeAll(async () => {
    rig = hostopsRig()
    if (target === 'hostlink') {
      daemon = await startDaemonRig()
      env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    } else if (target !== 'local') {
      sshd = await startSshd()
      env = { HOSTOPS_SSH_CONFIG: sshd.config }
    }
  })
  afterAll(async () => {
    await rig.remove()
    await daemon?.stop()
    await sshd?.stop()
  })

  test('succeeded, 0', async () => {
    const file = rig.path('made')
    const { code, report } = await run(rig.playbook('good', [touch(file)]))
    expect(report).toMatchObject({
      outcome: 'succeeded',
      success: true,
      changed: null,
      dryRun: false,
      target,
    })
    expect(report.steps).toMatchObject([{ id: 'touch', status: 'succeeded', changed: null, attempts: 1 }])
    expect(code).toBe(0)
    expect(rig.exists('made')).toBe(true)
  })

  test('unchanged, 0', async () => {
    const steps = [{ run: ['/bin/true'], changed: false }]
    const { code, report } = await run(rig.playbook('same', steps))
    expect(report).toMatchObject({ outcome: 'unchanged', success: true, changed: false })
    expect(code).toBe(0)
  })

  test('planned by a dry run, 0', async () => {
    const { code, report, stderr } = await run(
      rig.playbook('dry', [touch(rig.path('dry-file'))]),
      '--dry-run',
    )
    expect(report).toMatchObject({ outcome: 'planned', success: true, changed: false, dryRun: true })
    expect(report.steps).toMatchObject([{ id: 'touch', status: 'not-run' }])
    expect(stderr).toContain(`$ touch ${rig.path('dry-file')}`)
    expect(code).toBe(0)
    expect(rig.exists('dry-file')).toBe(false)
  })

  test('planned by a check, 0', async () => {
    const { code, report } = await run(rig.playbook('check', [touch(rig.path('check-file'))]), '--check')
    expect(report).toMatchObject({ outcome: 'planned', success: true, dryRun: true })
    expect(report.planHash).toMatch(/^[0-9a-f]{20}$/)
    expect(code).toBe(0)
    expect(rig.exists('check-file')).toBe(false)
  })

  test('rolled-back, 1', async () => {
    const { code, report } = await run(rig.playbook('back', [touch(rig.path('undone')), FAIL]))
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      success: false,
      changed: false,
      failedStep: 'fail',
      errorCode: 'command-failed',
      rollbackPerformed: true,
      rollbackVerified: true,
      rollbackError: null,
    })
    expect(code).toBe(1)
    expect(rig.exists('undone')).toBe(false)
  })

  test('failed-unchanged, 1', async () => {
    const { code, report } = await run(rig.playbook('early', [FAIL, touch(rig.path('never'))]))
    expect(report).toMatchObject({
      outcome: 'failed-unchanged',
      success: false,
      changed: false,
      failedStep: 'fail',
    })
    expect(report.steps).toMatchObject([{ status: 'failed' }, { status: 'not-run' }])
    expect(code).toBe(1)
    expect(rig.exists('never')).toBe(false)
  })

  test('invalid by inputs, 2', async () => {
    const inputs = { ref: { type: 'ref' }, path: { type: 'path' } }
    const file = rig.playbook('asks', [touch(rig.path('never'))], { inputs })
    const { code, report, stderr } = await run(file, '-i', 'ref=--upload-pack=x', '-i', 'pth=/a')
    expect(report).toMatchObject({
      outcome: 'invalid',
      success: false,
      errorCode: 'inputs-invalid',
      playbook: 'asks',
    })
    // All at once.
    expect(report.error).toMatch(/"ref"/)
    expect(report.error).toMatch(/unknown input "pth" \(did you mean "path"\?\)/)
    expect(report.error).toMatch(/missing input "path"/)
    expect(stderr).toContain('hint')
    expect(code).toBe(2)
  })

  test('invalid by the playbook, 2, with every mistake at its place', async () => {
    const file = rig.write(
      'wrong.yaml',
      'hostops: 1\nname: wrong\nsteps:\n  - uses: git.fetchh\n  - runn: [a]\n',
    )
    const { code, report, stderr } = await run(file)
    expect(report).toMatchObject({ outcome: 'invalid', errorCode: 'playbook-invalid' })
    expect(stderr).toMatch(/wrong\.yaml:4:\d+: error: .*git\.fetchh/)
    expect(stderr).toMatch(/wrong\.yaml:5:\d+: error: /)
    expect(code).toBe(2)
  })

  test('refused for a dirty tree, 3', async () => {
    const repo = rig.path('repo')
    mkdirSync(repo, { recursive: true })
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', repo, ...args], { env: rig.env, stdio: 'pipe' })
    git('init', '-q')
    git(
      '-c',
      'user.name=a',
      '-c',
      'user.email=a@example.invalid',
      'commit',
      '-q',
      '--allow-empty',
      '-m',
      'one',
    )
    writeFileSync(rig.path('repo', 'new.txt'), 'x')
    const steps = [{ uses: 'git.dirty-check', with: { repo } }, touch(rig.path('never'))]
    const { code, report } = await run(rig.playbook('dirty', steps))
    expect(report).toMatchObject({
      outcome: 'refused',
      errorCode: 'dirty-tree',
      dirtyRepo: true,
      changed: false,
    })
    expect(code).toBe(3)
    const again = await run(rig.playbook('dirty', steps), '--allow-dirty')
    expect(again.report).toMatchObject({ outcome: 'succeeded', dirtyRepo: true })
  })

  test('refused for a commit of a pull request, 3, and nothing changed', async () => {
    const [up, repo] = [rig.path('up'), rig.path('clone')]
    const as = ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid']
    const git = (...args: string[]) =>
      execFileSync('git', [...as, ...args], { env: rig.env, stdio: 'pipe', encoding: 'utf8' }).trim()
    git('init', '-q', up)
    git('-C', up, 'commit', '-q', '--allow-empty', '-m', 'one')
    git('clone', '-q', `file://${up}`, repo)
    git('-C', up, 'checkout', '-q', '--detach')
    git('-C', up, 'commit', '-q', '--allow-empty', '-m', 'request')
    const request = git('-C', up, 'rev-parse', 'HEAD')
    git('-C', up, 'update-ref', 'refs/pull/7/head', request)
    git('-C', up, 'checkout', '-q', '-')
    const steps = [
      { uses: 'git.fetch', with: { repo } },
      { uses: 'git.checkout', with: { repo, ref: request } },
      touch(rig.path('after-request')),
    ]
    const { code, report } = await run(rig.playbook('request', steps))
    expect(report).toMatchObject({ outcome: 'refused', errorCode: 'ref-not-published', changed: false })
    expect(report).toMatchObject({ rollbackPerformed: false, failedStep: 'git.checkout' })
    expect(code).toBe(3)
    expect(git('-C', repo, 'status', '--porcelain')).toBe('')
    expect(rig.exists('after-request')).toBe(false)
  })

  test('refused for a plan that has moved, 3', async () => {
    const file = rig.playbook('moves', [touch(rig.path('moved'))])
    const checked = await run(file, '--check')
    const moved = await run(
      rig.playbook('moves', [touch(rig.path('moved-elsewhere'))]),
      '--plan',
      checked.report.planHash!,
    )
    expect(moved.report).toMatchObject({ outcome: 'refused', errorCode: 'plan-moved', changed: false })
    expect(moved.code).toBe(3)
    rig.playbook('moves', [touch(rig.path('moved'))])
    const same = await run(file, '--plan', checked.report.planHash!)
    expect(same.report.outcome).toBe('succeeded')
  })

  test('rollback-failed, 5, and what remains', async () => {
    const file = rig.path('stays')
    const steps = [{ id: 'touch', run: ['touch', file], undo: ['/bin/false'] }, FAIL]
    const { code, report, stderr } = await run(rig.playbook('stuck', steps))
    expect(report).toMatchObject({
      outcome: 'rollback-failed',
      success: false,
      changed: true,
      rollbackVerified: false,
    })
    expect(report.rollbackError).toContain('touch')
    expect(stderr).toContain('a person is needed')
    expect(code).toBe(5)
  })

  test('failed-changed, 5', async () => {
    const { code, report } = await run(rig.playbook('stop', [touch(rig.path('left')), FAIL]), '--no-rollback')
    expect(report).toMatchObject({
      outcome: 'failed-changed',
      success: false,
      changed: null,
      rollbackPerformed: false,
    })
    expect(code).toBe(5)
    expect(rig.exists('left')).toBe(true)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('interrupted by %s, %i, after an orderly rollback', async (signal, code) => {
    const steps = [touch(rig.path('interrupted')), { id: 'sleep', run: ['sleep', '600'], effect: 'read' }]
    const started = rig.start(['run', rig.playbook('long', steps), '--target', target], { env })
    await started.until(/sleep: started/)
    started.child.kill(signal)
    const ended = await started.ended
    expect(ended.report).toMatchObject({
      outcome: 'interrupted',
      success: false,
      errorCode: 'interrupted',
      failedStep: 'sleep',
    })
    expect(ended.report.rollbackVerified).toBe(true)
    expect(ended.code).toBe(code)
    expect(rig.exists('interrupted')).toBe(false)
    const told = await rig.run(['report', ended.report.runId])
    expect(told.code).toBe(code)
  })
}

describe('only over a link', () => {
  let rig: HostopsRig
  beforeAll(() => {
    rig = hostopsRig()
  })
  afterAll(() => rig.remove())

  test('unreachable, 4: nobody listens', async () => {
    const env = { HOSTLINK_SOCKET: rig.path('no.sock'), HOSTLINK_TOKEN: 'x' }
    const { code, report, stderr } = await rig.run(
      ['run', rig.playbook('any', [touch(rig.path('never'))]), '--target', 'hostlink'],
      { env },
    )
    expect(report).toMatchObject({
      outcome: 'unreachable',
      success: false,
      changed: false,
      errorCode: 'unreachable',
    })
    expect(stderr).toMatch(/hint/)
    expect(code).toBe(4)
  })

  test('unreachable, 4: a wrong token', async () => {
    await using daemon = await startDaemonRig()
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: 'wrong' }
    const { code, report } = await rig.run(
      ['run', rig.playbook('any', [touch(rig.path('never'))]), '--target', 'hostlink'],
      { env },
    )
    expect(report).toMatchObject({ outcome: 'unreachable', changed: false, errorCode: 'auth-failed' })
    expect(code).toBe(4)
  })

  test('unknown, 6: the daemon is killed while a step runs', async () => {
    const daemon = await startDaemonRig()
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    const steps = [{ id: 'sleep', script: 'echo it runs; sleep 3' }]
    const started = rig.start(['run', rig.playbook('lost', steps), '--target', 'hostlink'], { env })
    await started.until(/sleep \| it runs/)
    daemon.signal('SIGKILL')
    const { code, report } = await started.ended
    await daemon.stop()
    expect(report).toMatchObject({ outcome: 'unknown', success: null, changed: null, errorCode: 'link-lost' })
    expect(report.steps).toMatchObject([{ status: 'unknown' }])
    expect(code).toBe(6)
  })

  test.skipIf(sshdMissing)(
    'over ssh: a stranger is unreachable, 4; a cut connection is unknown, 6',
    async () => {
      const sshd = await startSshd()
      try {
        const env = { HOSTOPS_SSH_CONFIG: `${sshd.folder}/config-stranger` }
        const file = rig.playbook('any', [touch(rig.path('never'))])
        const stranger = await rig.run(['run', file, '--target', 'ssh:testhost'], { env })
        expect(stranger.report).toMatchObject({ outcome: 'unreachable', changed: false, success: false })
        expect(stranger.code).toBe(4)
        expect(rig.exists('never')).toBe(false)
        const steps = [{ id: 'sleep', script: 'echo it runs; sleep 600' }]
        const args = ['run', rig.playbook('lost', steps), '--target', 'ssh:testhost']
        const started = rig.start(args, { env: { HOSTOPS_SSH_CONFIG: sshd.config } })
        await started.until(/sleep \| it runs/)
        sshd.killSessions()
        const { code, report } = await started.ended
        expect(report).toMatchObject({ outcome: 'unknown', success: null, errorCode: 'link-lost' })
        expect(code).toBe(6)
      } finally {
        await sshd.stop()
      }
    },
  )

  test('a dry run contacts nothing', async () => {
    const env = { HOSTLINK_SOCKET: rig.path('no.sock'), HOSTLINK_TOKEN: '' }
    const { code, report } = await rig.run(
      ['run', rig.playbook('any', [touch(rig.path('never'))]), '--target', 'hostlink', '--dry-run'],
      { env },
    )
    expect(report.outcome).toBe('planned')
    expect(code).toBe(0)
  })
})
