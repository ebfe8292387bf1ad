/** Ctrl-C and its relatives, once and twice. */
import { describe, expect, test } from 'vitest'
import { crashTests } from '../rig/crash-tests.ts'
import { poll } from '../rig/hostops.ts'

const { world, isAsBefore } = crashTests()

describe('signals', () => {
  const slow = () =>
    world().rig.playbook(
      'slow',
      [
        { id: 'read', run: ['sleep', '${{ inputs.read }}'], effect: 'read' },
        { id: 'own', uses: 'git.checkout', with: { repo: world().checkout, ref: 'v2' } },
        {
          id: 'write',
          script: `echo begun >> '${world().rig.path('ledger')}'; sleep 600`,
          undo: { script: 'echo undoing; sleep "$S"' },
          env: { S: '${{ inputs.back }}' },
        },
      ],
      { inputs: { read: { type: 'string', default: '0' }, back: { type: 'string', default: '0' } } },
    )
  const start = (...more: string[]) =>
    world().rig.start(['run', slow(), '--run-id', 'r', '--output', 'lines', ...more])

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s in a read: nothing was changed', async (signal, code) => {
    const started = start('-i', 'read=600')
    await started.until(/read: started/)
    started.child.kill(signal)
    const ended = await started.ended
    expect(ended).toMatchObject({
      code,
      report: { outcome: 'interrupted', changed: false, rollbackPerformed: false },
    })
    await isAsBefore()
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s in a write: all is taken back', async (signal, code) => {
    const started = start()
    await poll(() => world().count('begun') === 1)
    started.child.kill(signal)
    const ended = await started.ended
    expect(ended).toMatchObject({
      code,
      report: { outcome: 'interrupted', changed: null, rollbackVerified: null, notVerified: ['write'] },
    })
    await isAsBefore()
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s again in the rollback: what remains is told, and can be done later',
    async signal => {
      const started = start('-i', 'back=600')
      await poll(() => world().count('begun') === 1)
      started.child.kill(signal)
      await started.until(/undoing/)
      started.child.kill(signal)
      const ended = await started.ended
      expect(ended).toMatchObject({
        code: 5,
        report: { outcome: 'rollback-failed', rollbackVerified: false },
      })
      expect(ended.report.rollbackError).toContain('restore own was not done')
      // The script has nothing to reactivate, and what is no work does not remain.
      expect(ended.report.rollbackError).not.toContain('reactivate')
      expect(ended.stderr).toContain('hostops rollback r   takes back what is left of it')
      expect(world().head()).toBe('v2')
    },
  )

  test('before anything was begun', async () => {
    const started = start()
    started.child.kill('SIGTERM')
    const ended = await started.ended
    // Earlier than the first line of hostops there is nobody to answer.
    if (ended.stdout !== '') expect(ended.report.changed).toBe(false)
    await isAsBefore()
  })
})
