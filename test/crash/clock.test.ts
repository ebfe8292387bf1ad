/** The clock of the machine is set while a run goes on. */
import { expect, test } from 'vitest'
import { crashTests } from '../rig/crash-tests.ts'

const { world } = crashTests()

test.each([-3_600_000, 3_600_000])(
  'a clock that is set by %i ms in the middle ends no step and spoils no figure',
  async ms => {
    const ended = await world().upgrade('v2', '', `6:${ms}`)
    expect(ended.report.outcome).toBe('succeeded')
    expect(ended.report.durationMs).toBeLessThan(60_000)
    for (const step of ended.report.steps) expect(step.durationMs).toBeLessThan(60_000)
  },
)
