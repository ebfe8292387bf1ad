/** `last` is the last run that began; after a refusal, `resume last` and `rollback last` take the run that it names. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type HostRig, hostRig } from '../rig/host.ts'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

const good = () => rig.playbook('good', [{ id: 'say', run: ['echo', 'hello'], effect: 'read' }])

test('is no refused, invalid or planned attempt', async () => {
  await rig.run(['run', rig.path('nowhere.yaml')])
  const none = await rig.run(['report', 'last'])
  expect(none.code).toBe(2)
  expect(none.stderr).toMatch(
    /no run has begun yet in .*; the last attempt is \S+ \(invalid\)\nhint: hostops report/,
  )
  const ran = await rig.run(['run', good()])
  await rig.run(['run', rig.path('nowhere.yaml')])
  await rig.run(['run', good(), '--dry-run'])
  await rig.run(['run', good(), '--check'])
  await rig.run(['run', good(), '--plan', '0'.repeat(20)])
  expect((await rig.run(['runs'])).stdout).toContain('refused')
  for (const command of ['report', 'wait', 'resume'])
    expect((await rig.run([command, 'last'])).stdout, command).toBe(ran.stdout)
  expect((await rig.run(['logs', 'last'])).stdout).toBe('say | hello\n')
})

const checkout = (name: string) => {
  const repo = rig.path(name)
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', '-C', repo, ...args])
  execFileSync('git', ['init', '-q', '-b', 'main', repo])
  git('commit', '-q', '--allow-empty', '-m', 'one')
  return repo
}
const WAITS = 'until test -e go; do sleep 0.1; done'
const upgrade = (repo: string, run = 'true') =>
  rig.playbook(`at-${run.split(' ')[0]}`, [
    { id: 'own', uses: 'git.checkout', with: { repo, ref: 'main', pull: 'none' } },
    { id: 'long', script: run, cwd: rig.folder, undo: ['true'] },
  ])

test.each(['resume', 'rollback'])('%s last, after a refusal, is the run that it names', async verb => {
  const repo = checkout('app')
  const killed = rig.start(['run', upgrade(repo, WAITS), '--run-id', 'half', '--output', 'lines'])
  await killed.until(/long: started/)
  const held = await rig.run(['run', upgrade(repo), '--run-id', 'held'])
  expect(held.report.errorCode).toBe('lock-held')
  expect((await rig.run([verb, 'last'])).report).toMatchObject({ runId: 'half', errorCode: 'has-a-runner' })
  const { pid } = JSON.parse(readFileSync(rig.path('state/runs/half/run.json'), 'utf8'))
  process.kill(pid, 'SIGKILL')
  await killed.ended
  // Another run began since.
  await rig.run(['run', good(), '--run-id', 'other'])
  const refused = await rig.run(['run', upgrade(repo), '--run-id', 'refused'])
  expect(refused.report.errorCode).toBe('interrupted-run')
  writeFileSync(rig.path('go'), '')
  const more = verb === 'resume' ? ['--assume', 'done'] : []
  const ended = await rig.run([verb, 'last', ...more])
  expect(ended.report, ended.stderr).toMatchObject({
    runId: 'half',
    outcome: verb === 'resume' ? 'succeeded' : 'rolled-back',
  })
})

test('resume last, after a refusal for a run that is known elsewhere, says so', async () => {
  const repo = checkout('app')
  const env = { HOSTOPS_STATE_DIR: rig.path('other-state') }
  const other = rig.start(['run', upgrade(repo, WAITS), '--run-id', 'there', '--output', 'lines'], {
    env,
  })
  await other.until(/long: started/)
  await rig.run(['run', good()])
  await rig.run(['run', upgrade(repo), '--run-id', 'refused'])
  const { code, report, stderr } = await rig.run(['resume', 'last'])
  expect([code, report.outcome]).toEqual([2, 'invalid'])
  expect(stderr).toContain('error: the last attempt, refused, was refused: ')
  expect(stderr).toContain(
    `hint: where that run is known: HOSTOPS_STATE_DIR=${env.HOSTOPS_STATE_DIR} hostops resume there\n`,
  )
  other.child.kill('SIGTERM')
  await other.ended
})

describe('at a host', () => {
  let host: HostRig
  beforeEach(async () => {
    host = await hostRig(rig)
  })
  afterEach(() => host.stop())
  const at = (...args: string[]) => rig.run([...args, '--target', 'hostlink'], { env: host.env })
  const runAt = (file: string, id: string, ...more: string[]) =>
    at('run', file, '--on-host', '--run-id', id, ...more)

  test.each(['resume', 'rollback'])('%s last, after a refusal, is the run that it names', async verb => {
    const repo = checkout('app')
    await runAt(upgrade(repo, WAITS), 'half', '--detach')
    await poll(() => host.journal('half').includes('"step-started","id":"long"'))
    process.kill(host.runner('half'), 'SIGKILL')
    await poll(async () => (await at('report', 'half')).report.outcome === 'unknown')
    // Another run began since.
    expect((await runAt(good(), 'other')).report.outcome).toBe('succeeded')
    expect((await runAt(upgrade(repo), 'refused')).report.errorCode).toBe('interrupted-run')
    expect((await at('report', 'last')).report.runId).toBe('other')
    const [row] = JSON.parse((await at('runs', '--json')).stdout)
    expect(row.blockedBy).toMatchObject({ run: { runId: 'half', folder: host.runFolder('half') } })
    writeFileSync(rig.path('go'), '')
    const ended = await at(verb, 'last', ...(verb === 'resume' ? ['--assume', 'done'] : []))
    expect(ended.report, ended.stderr).toMatchObject({
      runId: 'half',
      outcome: verb === 'resume' ? 'succeeded' : 'rolled-back',
    })
    // The last attempt was not refused by now.
    await runAt(good(), 'later')
    expect((await at(verb, 'last')).report.runId).toBe('later')
  })

  test('resume last, after a refusal for a run that is known elsewhere, says so', async () => {
    const repo = checkout('app')
    const here = rig.start(['run', upgrade(repo, WAITS), '--run-id', 'here', '--output', 'lines'])
    await here.until(/long: started/)
    expect((await runAt(good(), 'other')).report.outcome).toBe('succeeded')
    expect((await runAt(upgrade(repo), 'refused')).report.errorCode).toBe('lock-held')
    const { code, report, stderr } = await at('resume', 'last')
    expect([code, report.outcome]).toEqual([2, 'invalid'])
    expect(stderr).toContain('error: the last attempt, refused, was refused: ')
    expect(stderr).toContain(
      `hint: where that run is known: HOSTOPS_STATE_DIR=${rig.state} hostops resume here\n`,
    )
    here.child.kill('SIGTERM')
    await here.ended
  })
})
