/** The clock is set while a run goes on, or before somebody else does. */
import { expect, test } from 'vitest'
import { crashTests } from '../rig/crash-tests.ts'

const { world, dead } = crashTests()

test.each([-3_600_000, 3_600_000])(
  'a clock that is set by %i ms in the middle ends no step and spoils no figure',
  async ms => {
    const ended = await world().upgrade('v2', '', `6:${ms}`)
    expect(ended.report.outcome).toBe('succeeded')
    expect(ended.report.durationMs).toBeLessThan(60_000)
    for (const step of ended.report.steps) expect(step.durationMs).toBeLessThan(60_000)
  },
)

test.each([-86_400_000, 86_400_000])(
  'a clock that is set by %i ms while somebody goes on with a run changes nothing about its end and its figures',
  async ms => {
    await dead()
    // Behind its first word and the one that the service is restarted.
    const ended = await world().hostops(['resume', 'r'], '', `3:${ms}`)
    expect(ended.report.outcome, ended.stderr).toBe('succeeded')
    for (const { durationMs } of [ended.report, ...ended.report.steps]) {
      expect(durationMs).toBeGreaterThanOrEqual(0)
      expect(durationMs).toBeLessThan(60_000)
    }
    expect([world().count('migrate'), world().count('restart')]).toEqual([1, 1])
    expect((await world().ask('report')).stdout).toBe(ended.stdout)
    // Nor about the next run.
    const next = await world().rig.run(['run', world().rig.path('upgrade.yaml'), '-i', 'ref=v2'])
    expect(next.report.success).toBe(true)
  },
)
