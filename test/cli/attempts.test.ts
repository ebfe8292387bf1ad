/** resume and rollback that cannot do anything, or are cut off at the worst moment: one line always, never a wrong one. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startDaemonRig } from '../rig/daemon.ts'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { lockFileOf } from '../rig/lock-file.ts'

const HOOKS = fileURLToPath(new URL('../rig/hooks.mjs', import.meta.url))
const hooked = (hook: string) => ({ env: { HOSTOPS_HOOK: hook }, node: ['--import', HOOKS] })

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

const kept = (name: string) => join(rig.state, 'runs', 'r', name)
const mark = () => [
  {
    ...{ id: 'write', run: ['touch', rig.path('mark')], undo: ['rm', '-f', rig.path('mark')] },
    verify: ['test', '!', '-e', rig.path('mark')],
  },
]
const write = () => rig.playbook('write', mark())

describe.each(['resume', 'rollback'])('%s ends in one line', verb => {
  const one = async (args: string[], code: number, outcome: string, errorCode: string) => {
    const ended = await rig.run([verb, ...args])
    expect(ended, ended.stderr).toMatchObject({ code, report: { outcome, errorCode, success: false } })
    expect(ended.stderr).toContain('error: ')
    return ended
  }

  test('where there is no such run, and where the arguments are wrong', async () => {
    expect((await one(['no-such-run'], 2, 'invalid', 'usage')).report.runId).toBe('no-such-run')
    await one(['last'], 2, 'invalid', 'usage')
    await one([], 2, 'invalid', 'usage')
    await one(['r', '--what'], 2, 'invalid', 'usage')
    await one(['r', '--assume', 'perhaps'], 2, 'invalid', 'usage')
    for (const place of [[], ['--target', 'hostlink']]) {
      const ended = await one(['r', '--wait-lock', 'long', ...place], 2, 'invalid', 'usage')
      expect(ended.report.error).toBe('--wait-lock is no duration')
    }
    expect(existsSync(join(rig.state, 'runs'))).toBe(false)
  })

  test('where the run keeps nothing to go on from', async () => {
    await rig.run(['run', write(), '--run-id', 'r'])
    for (const [file, text] of [
      [
        'run.json',
        JSON.stringify({
          ...JSON.parse(readFileSync(kept('run.json'), 'utf8')),
          exitCode: undefined,
          pid: 0,
        }),
      ],
      ['report.json', ''],
      ['plan.json', '{"hostops":1'],
    ] as const)
      writeFileSync(kept(file), text)
    const ended = await one(['r'], 2, 'invalid', 'usage')
    expect(ended.report).toMatchObject({ runId: 'r', playbook: 'write', changed: null })
  })

  test('where the run has a runner that lives', async () => {
    const file = rig.playbook('slow', [...mark(), { id: 'slow', run: ['sleep', '600'], effect: 'read' }])
    const started = rig.start(['run', file, '--run-id', 'r'])
    await poll(
      () =>
        existsSync(kept('journal.ndjson')) &&
        readFileSync(kept('journal.ndjson'), 'utf8').includes('"slow","effect"'),
    )
    const ended = await one(['r'], 3, 'refused', 'has-a-runner')
    expect(ended.stderr).toContain('hostops wait r')
    started.child.kill('SIGTERM')
    expect((await started.ended).report.outcome).toBe('interrupted')
  })
})

describe('a rollback that does nothing takes no verdict away', () => {
  test('of a run that ended well: its target is gone, then it is there again', async () => {
    const daemon = await startDaemonRig()
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    const ran = await rig.run(['run', write(), '--run-id', 'r', '--target', 'hostlink'], { env })
    expect(ran.report.outcome).toBe('succeeded')
    const gone = { env: { ...env, HOSTLINK_SOCKET: rig.path('no.sock') } }
    const away = await rig.run(['rollback', 'r'], gone)
    expect(away).toMatchObject({ code: 4, report: { outcome: 'unreachable', success: false, changed: null } })
    expect(away.stderr).toContain('the run stays as it was: hostops report r')
    expect((await rig.run(['report', 'r'], gone)).stdout).toBe(ran.stdout)
    const back = await rig.run(['rollback', 'r'], { env })
    expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(rig.exists('mark')).toBe(false)
    await daemon.stop()
  })

  test('while another run holds the lock, and while that is waited for and somebody presses Ctrl-C', async () => {
    const repo = rig.path('repo')
    execFileSync('git', ['init', '-q', '-b', 'main', repo])
    const as = ['-C', repo, '-c', 'user.name=a', '-c', 'user.email=a@example.invalid']
    execFileSync('git', [...as, 'commit', '-q', '--allow-empty', '-m', 'one'])
    execFileSync('git', [...as, 'checkout', '-q', '--detach'])
    const own = { id: 'own', uses: 'git.checkout', with: { repo, ref: 'main' } }
    const first = rig.playbook('first', [own, ...mark()])
    const ran = await rig.run(['run', first, '--run-id', 'r'], hooked(`syncs:${rig.path('syncs')}`))
    expect(ran.report.success, ran.stderr).toBe(true)
    // A lock names its run: whoever meets it must find that.
    const synced = rig.read('syncs').split('\n')
    for (const name of ANCHORED) expect(synced.slice(0, synced.indexOf('spawn sh')), name).toContain(name)
    const slow = rig.playbook('slow', [own, { id: 'slow', run: ['sleep', '600'], effect: 'read' }])
    const other = rig.start(['run', slow, '--run-id', 'o', '--output', 'lines'])
    await other.until(/slow: started/)
    // The clock was set back since.
    execFileSync('touch', ['-h', '-d', '+2 hours', lockFileOf(repo)!])
    const refused = await rig.run(['rollback', 'r'])
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'lock-held' } })
    expect(refused.report.error).toContain('last seen 0 s ago')
    const wait = async () => {
      const waiting = rig.start(['rollback', 'r', '--wait-lock', '10m', '--output', 'lines'])
      await waiting.until(/waits for run o/)
      return waiting
    }
    const waiting = await wait()
    waiting.child.kill('SIGINT')
    expect(await waiting.ended).toMatchObject({
      code: 130,
      report: { outcome: 'interrupted', success: false },
    })
    expect(await rig.run(['report', 'r'])).toMatchObject({ code: 0, stdout: ran.stdout })
    const patient = await wait()
    other.child.kill('SIGTERM')
    expect((await patient.ended).report.rollbackVerified).toBe(true)
    expect(rig.exists('mark')).toBe(false)
  })
})

describe('the line is the same again', () => {
  test.each(['report.json', 'run.json'])(
    'when its first caller was killed right after it had written %s',
    async name => {
      await rig.run(['run', write(), '--run-id', 'r'])
      const killed = await rig.run(['rollback', 'r'], hooked(`kill:${name}`))
      expect([killed.signal, killed.stdout]).toEqual(['SIGKILL', ''])
      // run.json is written at the beginning as well.
      const again = await rig.run(['rollback', 'r'])
      expect(again).toMatchObject({ code: 1, report: { outcome: 'rolled-back', rollbackVerified: true } })
      for (const verb of ['rollback', 'resume', 'report', 'wait'])
        expect(await rig.run([verb, 'r']), verb).toMatchObject({ code: 1, stdout: again.stdout })
      if (name === 'report.json')
        expect(again.stdout).toContain(readFileSync(kept('report.json'), 'utf8').trim())
    },
  )

  test('with the exit code of the signal that ended it', async () => {
    const file = rig.playbook('slow', [...mark(), { id: 'slow', run: ['sleep', '600'], effect: 'read' }])
    const started = rig.start(['run', file, '--run-id', 'r', '--output', 'lines'], hooked('kill:report.json'))
    await started.until(/slow: started/)
    started.child.kill('SIGTERM')
    expect((await started.ended).signal).toBe('SIGKILL')
    for (const verb of ['report', 'resume', 'wait'])
      expect(await rig.run([verb, 'r'])).toMatchObject({ code: 143, report: { outcome: 'interrupted' } })
  })
})

const ANCHORED = ['plan.json', 'playbook.yaml', 'r', 'runs', 'state', 'journal.ndjson']

test('what a run would be resumed from is on the disk before its first step, each intent before its step, each end before the next', async () => {
  const file = rig.path('syncs')
  const read = { id: 'read', run: ['true'], effect: 'read' }
  const steps = [read, ...mark(), { run: ['date'], effect: 'read' }]
  await rig.run(['run', rig.playbook('p', steps), '--run-id', 'r'], hooked(`syncs:${file}`))
  const lines = rig.read('syncs').trim().split('\n')
  const [reads, writes, after] = ['true', 'touch', 'date'].map(name => lines.indexOf(`spawn ${name}`))
  for (const name of ANCHORED) expect(lines.slice(0, reads), name).toContain(name)
  expect(lines.slice(reads, writes)).toContain('journal.ndjson')
  expect(lines.slice(writes, after)).toContain('journal.ndjson')
})

test('two that go on at the same moment: one of them has the run', async () => {
  const ledger = rig.write('ledger', '')
  const here = `while test -d '${rig.folder}'; do sleep 0.1; done`
  const steps = [
    { id: 'write', run: ['true'], undo: ['sh', '-c', `echo undo >> '${ledger}'; sleep 0.3`] },
    { id: 'hold', script: `echo on >> '${ledger}'; ${here}`, effect: 'read' },
  ]
  const started = rig.start(['run', rig.playbook('p', steps), '--run-id', 'r'])
  await poll(() => rig.read('ledger') === 'on\n')
  started.child.kill('SIGKILL')
  await started.ended
  const meeting = rig.path('meeting')
  mkdirSync(meeting)
  const all = await Promise.all([1, 2, 3].map(() => rig.run(['rollback', 'r'], hooked(`meet:${meeting}:3`))))
  expect(rig.read('ledger')).toBe('on\nundo\n')
  const outcomes = all.map(({ code, report }) => `${code} ${report.outcome} ${report.errorCode}`).sort()
  expect(outcomes).toEqual(['1 rolled-back taken-back', ...Array(2).fill('3 refused has-a-runner')])
})
