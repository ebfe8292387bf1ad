/** What a dead runner left behind: whole, broken, edited, from another time. */
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { crashTests } from '../rig/crash-tests.ts'
import { poll } from '../rig/hostops.ts'

const { world, dead, isAsBefore } = crashTests()
const kept = (name: string) => join(dirname(world().journalFile), name)

describe('what a dead runner left', () => {
  test('a checkout that is elsewhere now: nothing is done behind it, and rollback is the way', async () => {
    await dead()
    const head = world().git('rev-parse', 'HEAD')
    world().git('checkout', '--quiet', '--detach', 'v1')
    for (const _ of ['once', 'twice']) {
      const ended = await world().hostops(['resume', 'r'])
      expect(ended).toMatchObject({ code: 6, report: { outcome: 'unknown', errorCode: 'no-longer-holds' } })
      expect(ended.stderr).toContain('what checkout has done no longer holds')
    }
    expect(world().ledger()).toEqual(['first', 'migrate'])
    // Nobody else begins there before it is settled.
    const other = await world().hostops(['run', world().rig.path('upgrade.yaml'), '-i', 'ref=v2'])
    expect(other.report).toMatchObject({ outcome: 'refused', errorCode: 'interrupted-run' })
    world().git('checkout', '--quiet', '--detach', head)
    expect((await world().hostops(['resume', 'r'])).report.outcome).toBe('succeeded')
    expect(world().ledger()).toEqual(['first', 'migrate', 'restart', 'restarted'])
  })

  test('a journal of a newer hostops is not guessed at', async () => {
    await dead()
    writeFileSync(
      world().journalFile,
      readFileSync(world().journalFile, 'utf8').replaceAll(/\{"v":\d+,/g, '{"v":99,'),
    )
    for (const verb of ['resume', 'rollback']) {
      const ended = await world().hostops([verb, 'r'])
      expect(ended).toMatchObject({ code: 2, report: { outcome: 'invalid', errorCode: 'usage' } })
      expect(ended.stderr).toContain('newer hostops')
    }
    expect(world().ledger()).toEqual(['first', 'migrate'])
  })

  test.each(['missing', 'garbage', 'empty'])(
    'a run.json that is %s: the journal tells who it was',
    async how => {
      await dead()
      if (how === 'missing') rmSync(kept('run.json'))
      else writeFileSync(kept('run.json'), how === 'empty' ? '' : '{"runId":')
      const ended = await world().hostops(['resume', 'r'])
      expect(ended.report).toMatchObject({ outcome: 'succeeded', playbook: 'upgrade', target: 'local' })
      expect(world().count('restart')).toBe(1)
    },
  )

  test.each([
    ['plan.json', (text: string) => text.replace('migrate', 'destroy')],
    ['plan.json', () => '{"hostops":1'],
    ['playbook.yaml', (text: string) => text.replace('unmigrate', 'destroy')],
  ])('a %s that is another one now is not followed', async (name, change) => {
    await dead()
    writeFileSync(kept(name), change(readFileSync(kept(name), 'utf8')))
    const ended = await world().hostops(['rollback', 'r'])
    expect(ended).toMatchObject({ code: 2, report: { outcome: 'invalid', errorCode: 'usage' } })
    expect(ended.stderr).toContain(`the ${name} of run r is not the one that it began with`)
    expect(world().ledger()).toEqual(['first', 'migrate'])
  })

  test.each<[string, (file: string) => void]>([
    [
      'was edited',
      file =>
        writeFileSync(
          file,
          readFileSync(file, 'utf8')
            .replaceAll('echo migrate', 'echo edited')
            .replace('"restart"', '"edited"'),
        ),
    ],
    ['is no playbook any more', file => writeFileSync(file, 'steps: [')],
  ])('the playbook %s since: the run finishes on the text that it began with', async (_, change) => {
    await dead()
    change(world().rig.path('upgrade.yaml'))
    expect((await world().hostops(['resume', 'r'])).report.outcome).toBe('succeeded')
    expect(world().ledger()).toEqual(['first', 'migrate', 'restart', 'restarted'])
  })

  test('and that nobody can read any more: each word tells the next thing to type, until the checkout is free', async () => {
    await dead()
    const typed = (said: string) => {
      const [command = ''] = /rm .*/.exec(said) ?? []
      execFileSync('sh', ['-c', command])
    }
    const another = (...more: string[]) =>
      world().hostops(['run', world().rig.path('upgrade.yaml'), '-i', 'ref=v2', ...more])
    writeFileSync(world().journalFile, '\0\n\0\n')
    expect((await another()).report.errorCode).toBe('interrupted-run')
    const resumed = await world().hostops(['resume', 'r'])
    expect(resumed.report).toMatchObject({ outcome: 'invalid', errorCode: 'usage' })
    typed(resumed.stderr)
    const refused = await another('--wait-lock', '1h')
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'record-gone' } })
    expect(refused.stderr).toContain('there is no record of it in')
    typed(refused.stderr)
    expect((await another()).report.outcome).toBe('succeeded')
  })

  test('died before its first entry: nothing was done, and that is what is told', async () => {
    expect((await world().upgrade('v2', 'torn:1')).signal).toBe('SIGKILL')
    const told = await world().hostops(['report', 'r'])
    expect(told).toMatchObject({ code: 1, report: { outcome: 'failed-unchanged', errorCode: 'not-begun' } })
    const resumed = await world().hostops(['resume', 'r'])
    expect(resumed).toMatchObject({
      code: 1,
      report: { outcome: 'failed-unchanged', errorCode: 'not-begun' },
    })
    expect((await world().hostops(['rollback', 'r'])).stdout).toBe(resumed.stdout)
  })

  test('a stop of the one who goes on either takes everything back or leaves it as open as it was', async () => {
    await dead()
    const started = world().startHostops(['resume', 'r', '--output', 'lines'])
    await poll(
      () =>
        world()
          .events()
          .some(event => event.type === 'resumed') || started.child.exitCode !== null,
    )
    started.child.kill('SIGTERM')
    const { report } = await started.ended
    if (report.outcome === 'succeeded') return
    // Interrupted before it had the lock: it did nothing.
    const idle = report.outcome === 'interrupted' && report.rollbackVerified === null
    if (idle) await world().hostops(['rollback', 'r'])
    else expect(report).toMatchObject({ outcome: 'interrupted', rollbackVerified: true })
    await isAsBefore()
    expect(world().count('unmigrate')).toBeGreaterThan(0)
  })
})
