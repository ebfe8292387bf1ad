import { expect, test } from 'vitest'
import { RELEASES } from '../rig/openclaw-gateway.ts'
import { nodeTargetContract } from './contract.ts'
import { approvalContract } from './contract-approvals.ts'

nodeTargetContract(RELEASES.old, node => {
  test('a run of 75 s, although each command of an agent ends after 30 s', async () => {
    const run = await node().at('run', 'long')
    expect([run.report.outcome, run.code]).toEqual(['succeeded', 0])
    expect(run.report.durationMs).toBeGreaterThan(75_000)
  })
  approvalContract(node, { narrows: false })
})
