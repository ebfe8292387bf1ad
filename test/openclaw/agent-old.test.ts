import { expect, test } from 'vitest'
import { lineIn } from '../rig/openclaw-agent.ts'
import { RELEASES } from '../rig/openclaw-gateway.ts'
import { agentContract } from './contract-agent.ts'

agentContract({ release: RELEASES.old, exec: { security: 'allowlist', ask: 'off' } }, the => {
  test('a command that this release ends after 30 s, whatever its limit: the run is found by its id', async () => {
    const { node, agent, trigger } = the()
    const [begun = '', cut = ''] = await agent.exec(
      trigger('run gate --run-id gate-1'),
      trigger('wait gate-1 --timeout 5m'),
    )
    expect(lineIn(begun)).toMatchObject({ runId: 'gate-1', outcome: 'started' })
    expect(cut).toContain('node invoke timed out')
    node.letGo()
    const [ended = ''] = await agent.exec(trigger('wait gate-1 --timeout 20s'))
    expect(lineIn(ended)).toMatchObject({ runId: 'gate-1', outcome: 'succeeded' })
    expect([node.counted(), node.asked('start', 'gate-1')]).toEqual([1, 1])
  })
})
