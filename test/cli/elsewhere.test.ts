/** One state folder, seen from two containers or two machines: a runner that cannot be seen is not taken for dead. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { notTested } from '../rig/not-tested.ts'

/** As in a container: process ids and a host name of its own, which end with the first process. */
const CONTAINER = ['unshare', '--pid', '--uts', '--fork', '--kill-child', '--mount-proc']
const inContainer = (name: string) => [...CONTAINER, 'sh', '-c', `hostname ${name} && "$@"`, 'sh']
const canContain = spawnSync(CONTAINER[0]!, [...CONTAINER.slice(1), 'hostname', 'x']).status === 0
if (!canContain) notTested('no process id namespaces can be made here')

let rig: HostopsRig
beforeEach(() => {
  rig = hostopsRig()
})
afterEach(() => rig.remove())

const ledger = () => (rig.exists('ledger') ? rig.read('ledger') : '')
const playbook = () => {
  const repo = rig.path('repo')
  if (!rig.exists('repo')) {
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', '-C', repo, ...args])
    execFileSync('git', ['init', '-q', '-b', 'main', repo])
    git('commit', '-q', '--allow-empty', '-m', 'one')
  }
  const note = (text: string) => `echo ${text} >> '${rig.path('ledger')}'`
  return rig.playbook('p', [
    { id: 'own', uses: 'git.checkout', with: { repo, ref: 'main', pull: 'none' } },
    {
      id: 'long',
      script: `${note('begun')}; while test -d '${rig.folder}' && ! test -e '${rig.path('go')}'; do sleep 0.05; done; ${note('done')}`,
      undo: ['sh', '-c', note('undone')],
    },
  ])
}
const begin = () => rig.start(['run', playbook(), '--run-id', 'r'], { wrap: inContainer('one') })
const fromAnother = (...args: string[]) => rig.run(args, { wrap: inContainer('two') })
const letGo = () => writeFileSync(rig.path('go'), '')

describe.runIf(canContain)('a run whose runner lives in another container', () => {
  test('goes on: nobody else finishes it, takes it back, or signals a process of that number', async () => {
    const started = begin()
    await poll(() => ledger() === 'begun\n')
    expect((await fromAnother('report', 'r')).report).toMatchObject({ outcome: 'started', success: null })
    expect((await rig.run(['rollback', 'r'])).report).toMatchObject({ errorCode: 'has-a-runner' })
    const cancelled = await fromAnother('cancel', 'r')
    expect([cancelled.code, cancelled.stderr]).toEqual([
      3,
      expect.stringContaining('hint: on one: hostops cancel r'),
    ])
    expect((await fromAnother('resume', 'r', '--runner-gone')).report.errorCode).toBe('has-a-runner')
    letGo()
    expect((await started.ended).report).toMatchObject({ outcome: 'succeeded' })
    expect(ledger()).toBe('begun\ndone\n')
  })

  test('is known to be left half-way once that container is gone, and holds its checkout until then', async () => {
    const started = begin()
    await poll(() => ledger() === 'begun\n')
    const another = () => fromAnother('run', playbook())
    expect((await another()).report).toMatchObject({ outcome: 'refused', errorCode: 'lock-held' })
    started.child.kill('SIGKILL')
    await started.ended
    await poll(async () => (await fromAnother('report', 'r')).report.errorCode === 'runner-gone')
    expect((await another()).report).toMatchObject({ outcome: 'refused', errorCode: 'interrupted-run' })
    const back = await fromAnother('rollback', 'r')
    expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: null })
    expect((await rig.run(['rollback', 'r'])).stdout).toBe(back.stdout)
    letGo()
    expect((await another()).report).toMatchObject({ outcome: 'succeeded' })
  })
})

test('of another machine is left alone until somebody says that its runner is gone', async () => {
  const started = rig.start(['run', playbook(), '--run-id', 'r'])
  await poll(() => ledger() === 'begun\n')
  started.child.kill('SIGKILL')
  await started.ended
  const file = join(rig.state, 'runs', 'r', 'run.json')
  const head = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...head, machine: 'far 0123', boot: 'another' }))
  for (const verb of ['report', 'wait']) {
    const told = await rig.run([verb, 'r'])
    expect(told).toMatchObject({ code: 6, report: { outcome: 'unknown', errorCode: 'runner-unseen' } })
    expect(told.stderr).toContain('it began on far\nhint: look there')
  }
  expect(await rig.run(['rollback', 'r'])).toMatchObject({ code: 3, report: { errorCode: 'runner-unseen' } })
  expect(ledger()).toBe('begun\n')
  expect((await rig.run(['rollback', 'r', '--runner-gone'])).report).toMatchObject({ outcome: 'rolled-back' })
})

test('of this machine before it was started again is over', async () => {
  const started = rig.start(['run', playbook(), '--run-id', 'r'])
  await poll(() => ledger() === 'begun\n')
  const file = join(rig.state, 'runs', 'r', 'run.json')
  const head = JSON.parse(readFileSync(file, 'utf8'))
  started.child.kill('SIGKILL')
  await started.ended
  writeFileSync(file, JSON.stringify({ ...head, pids: 'pid:[1]', boot: 'the one before' }))
  expect((await rig.run(['report', 'r'])).report.errorCode).toBe('runner-gone')
  letGo()
})
