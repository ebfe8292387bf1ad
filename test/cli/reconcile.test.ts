/** A link that was lost: the end is unknown until the daemon is asked again, and `report` asks it. Real processes all. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { type Ended, type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { cutLinksTo } from '../rig/link-cutter.ts'
import { startOldDaemon } from '../rig/old-daemon.ts'

let rig: HostopsRig
let daemon: DaemonRig
beforeEach(async () => {
  rig = hostopsRig()
  daemon = await startDaemonRig()
})
afterEach(async () => {
  letGo()
  await daemon.stop()
  await rig.remove()
})

const env = (socket = daemon.socket) => ({ HOSTLINK_SOCKET: socket, HOSTLINK_TOKEN: daemon.token })
const asked = (...args: string[]) => rig.run(args, { env: env() })
const ledger = () => (rig.exists('ledger') ? rig.read('ledger') : '')
const letGo = () => writeFileSync(rig.path('go'), '')

/** Writes once, waits until it is let go, and ends as told. */
const held = (id: string, code: number, more: object = {}) => ({
  id,
  script: `echo ${id} >> '${rig.path('ledger')}'; echo on
while test -d '${rig.folder}' && ! test -e '${rig.path('go')}'; do sleep 0.05; done; exit ${code}`,
  undo: ['sh', '-c', `echo un${id} >> '${rig.path('ledger')}'`],
  ...more,
})
const note = (id: string, more: object = {}) => ({
  id,
  run: ['sh', '-c', `echo ${id} >> '${rig.path('ledger')}'`],
  undo: ['true'],
  ...more,
})

/** Begun through a link that is cut while the first step runs, and does not come back. */
async function lost(steps: readonly object[], more: object = {}): Promise<Ended> {
  const link = await cutLinksTo(daemon.socket)
  const playbook = rig.playbook('lost', steps, more)
  const started = rig.start(['run', playbook, '--target', 'hostlink', '--run-id', 'r'], {
    env: env(link.socket),
  })
  await started.until(/hold \| on/)
  await link.stop()
  const ended = await started.ended
  expect(ended).toMatchObject({
    code: 6,
    report: { outcome: 'unknown', success: null, errorCode: 'link-lost' },
  })
  return ended
}

/** Says it twice, byte for byte, and the second time nobody is asked. */
async function same(first: Ended): Promise<void> {
  await daemon.stop()
  expect(await asked('report', 'r')).toMatchObject({ code: first.code, stdout: first.stdout })
  expect(await asked('wait', 'r')).toMatchObject({ code: first.code, stdout: first.stdout })
}

describe('after a lost link, report', () => {
  test('says unknown while nobody can be asked, then while it still runs, then how it ended', async () => {
    const ended = await lost([held('hold', 0)])
    const nobody = await rig.run(['report', 'r'], { env: env(rig.path('no.sock')) })
    expect(nobody).toMatchObject({ code: 6, stdout: ended.stdout })
    expect(nobody.stderr).toMatch(
      /^error: what became of run r could not be asked: cannot reach hostlink: .*\nhint: hostops doctor --target hostlink tells why, hostops report r asks again\n$/,
    )
    const runs = await asked('report', 'r')
    expect(runs).toMatchObject({ code: 6, stdout: ended.stdout })
    expect(runs.stderr).toContain('has not ended yet\nhint: hostops wait r')
    letGo()
    const told = await asked('report', 'r')
    expect(told).toMatchObject({ code: 0, report: { outcome: 'succeeded', success: true, changed: null } })
    expect(told.report.steps).toMatchObject([{ id: 'hold', status: 'succeeded' }])
    expect(ledger()).toBe('hold\n')
    await same(told)
  })

  test('begins nothing again where the daemon starts nothing only once: it stays unknown', async () => {
    const old = await startOldDaemon()
    const link = await cutLinksTo(old.socket)
    const to = (socket: string) => ({ HOSTLINK_SOCKET: socket, HOSTLINK_TOKEN: old.token })
    try {
      const playbook = rig.playbook('lost', [held('hold', 0, { timeout: '1m' })])
      const args = ['run', playbook, '--target', 'hostlink', '--run-id', 'r']
      const started = rig.start(args, { env: to(link.socket) })
      await poll(() => ledger() === 'hold\n')
      await link.stop()
      const ended = await started.ended
      expect(ended).toMatchObject({ code: 6, report: { outcome: 'unknown' } })
      letGo()
      const told = await rig.run(['report', 'r'], { env: to(old.socket) })
      expect(ledger()).toBe('hold\n')
      expect(told).toMatchObject({ code: 6, stdout: ended.stdout })
    } finally {
      await old.stop()
    }
  })

  test('does the reads that were left, and goes by them', async () => {
    await lost([
      held('hold', 0),
      { id: 'look', run: ['sh', '-c', `echo look >> '${rig.path('ledger')}'`], effect: 'read' },
    ])
    letGo()
    const told = await asked('report', 'r')
    expect(told).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect(ledger()).toBe('hold\nlook\n')
    await same(told)
  })

  test('does no read behind a step that failed', async () => {
    await lost([
      held('hold', 1),
      { id: 'look', run: ['sh', '-c', `echo look >> '${rig.path('ledger')}'`], effect: 'read' },
    ])
    letGo()
    const told = await asked('report', 'r')
    expect(told.report).toMatchObject({ success: false, errorCode: 'half-way', failedStep: 'hold' })
    expect(ledger()).toBe('hold\n')
  })

  test('begins no other step: the run stands half-way, and resume finishes it', async () => {
    await lost([held('hold', 0), note('next'), note('last')])
    letGo()
    const told = await asked('report', 'r')
    expect(told).toMatchObject({
      code: 5,
      report: {
        outcome: 'failed-changed',
        success: false,
        changed: null,
        errorCode: 'half-way',
        failedStep: null,
      },
    })
    expect(told.report.error).toContain('not begun: next, last')
    expect(told.stderr).toContain('hint: hostops resume r finishes it, hostops rollback r takes it back\n')
    expect(ledger()).toBe('hold\n')
    expect(await asked('report', 'r')).toMatchObject({ code: 5, stdout: told.stdout })
    const resumed = await asked('resume', 'r')
    expect(resumed).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect(ledger()).toBe('hold\nnext\nlast\n')
    await same(resumed)
  })

  test('leaves what stands half-way locked: another run is refused, and told which one is in its way', async () => {
    const repo = rig.path('repo')
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.invalid', ...args])
    git('init', '-q', '-b', 'main', repo)
    git('-C', repo, 'commit', '-q', '--allow-empty', '-m', 'one')
    const own = { id: 'own', uses: 'git.checkout', with: { repo, ref: 'main', pull: 'none' } }
    await lost([own, held('hold', 0), note('next')])
    letGo()
    expect((await asked('report', 'r')).report.errorCode).toBe('half-way')
    const other = rig.playbook('other', [own])
    const refused = await asked('run', other, '--target', 'hostlink')
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'interrupted-run' } })
    expect((await asked('rollback', 'r')).report.rollbackVerified).toBe(null)
    expect((await asked('run', other, '--target', 'hostlink')).report.success).toBe(true)
  })

  test('of a step that failed says so, does not try it again, takes nothing back; rollback does', async () => {
    await lost([held('hold', 3, { retry: { attempts: 3, delay: '10ms' } }), note('next')])
    letGo()
    const told = await asked('report', 'r')
    expect(told).toMatchObject({
      code: 5,
      report: { outcome: 'failed-changed', success: false, errorCode: 'half-way', failedStep: 'hold' },
    })
    expect(told.report.error).toMatch(/hold has failed: .*exit code 3/)
    expect(ledger()).toBe('hold\n')
    const back = await asked('rollback', 'r')
    expect(back).toMatchObject({ code: 1, report: { outcome: 'rolled-back', rollbackVerified: null } })
    expect(ledger()).toBe('hold\nunhold\n')
    await same(back)
  })

  test('of a runner that was killed asks as well; wait waits for the end', async () => {
    const playbook = rig.playbook('killed', [held('hold', 0)])
    const started = rig.start(['run', playbook, '--target', 'hostlink', '--run-id', 'r'], { env: env() })
    await started.until(/hold \| on/)
    started.child.kill('SIGKILL')
    await started.ended
    const waiting = rig.start(['wait', 'r'], { env: env() })
    const late = await asked('wait', 'r', '--timeout', '300ms')
    expect(late).toMatchObject({ code: 6, report: { outcome: 'unknown', errorCode: 'runner-gone' } })
    expect(late.report.error).toBe('the runner of r is gone, and nobody saw how hold ended')
    expect(late.report.steps).toMatchObject([{ id: 'hold', status: 'unknown', attempts: 1 }])
    letGo()
    const told = await waiting.ended
    expect(told).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect(ledger()).toBe('hold\n')
    await same(told)
  })

  test('of a daemon that has forgotten it stays unknown, and says what to type', async () => {
    const ended = await lost([held('hold', 0)])
    letGo()
    await daemon.stop()
    daemon = await startDaemonRig()
    const told = await asked('report', 'r')
    expect(told).toMatchObject({ code: 6, stdout: ended.stdout })
    expect(told.stderr.match(/^hint: .*/gm)).toEqual([
      'hint: look at the host, then: hostops rollback r, or hostops resume r --assume done (or not-done)',
    ])
  })

  test('asked for many times at once is one answer, and the journal stays whole', async () => {
    await lost([held('hold', 0)])
    letGo()
    const all = await Promise.all([1, 2, 3, 4, 5, 6].map(() => asked('report', 'r')))
    const final = await asked('report', 'r')
    expect(final.report.outcome).toBe('succeeded')
    for (const { stdout } of all) expect(stdout).toBe(final.stdout)
    const file = join(rig.state, 'runs', 'r', 'journal.ndjson')
    expect(existsSync(file)).toBe(true)
    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_, at) => at + 1))
    expect(lines.filter(({ type }) => type === 'resumed')).toHaveLength(1)
  })
})

test('a run whose secrets are needed to ask says what to type', async () => {
  const link = await cutLinksTo(daemon.socket)
  const playbook = rig.playbook('lost', [held('hold', 0)], { inputs: { s: { type: 'secret' } } })
  const args = ['run', playbook, '--target', 'hostlink', '--run-id', 'r', '-i', 's=very-secret']
  const started = rig.start(args, { env: env(link.socket) })
  await started.until(/hold \| on/)
  await link.stop()
  const ended = await started.ended
  const told = await asked('report', 'r')
  expect(told).toMatchObject({ code: 6, stdout: ended.stdout })
  expect(told.stderr).toContain('hostops resume r -i NAME=@FILE')
  letGo()
  await poll(() => ledger() === 'hold\n')
})
