/** The agent of a gateway in a container has that very container upgraded; its successor gets the report. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dockerAnswers } from '../rig/docker.ts'
import { agentAt } from '../rig/openclaw-agent.ts'
import { containerRig } from '../rig/openclaw-container.ts'
import { RELEASES, whyNoOpenclaw } from '../rig/openclaw-gateway.ts'
import { type Call, type Model, playedModel } from '../rig/openclaw-model.ts'

const gone = Object.values(RELEASES).some(release => whyNoOpenclaw(release) !== null) || !dockerAnswers()

describe.skipIf(gone)('the upgraded container is the gateway’s own', () => {
  let model: Model
  let stack: Awaited<ReturnType<typeof containerRig>>
  let agent: ReturnType<typeof agentAt>
  beforeAll(async () => {
    model = await playedModel()
    stack = await containerRig(model.config)
    agent = agentAt(stack.asOperator, model)
    await stack.isReady()
  })
  afterAll(async () => {
    await stack?.stop()
    await model?.stop()
  })

  /** The agent asks for an upgrade and waits for it, until the container that it lives in is stopped. */
  const upgrade = async (ref: string, runId: string) => {
    const before = stack.container()
    const lost = agent.turn(
      { name: 'hostops__run_upgrade_openclaw', args: { mode: 'run', inputs: { ref }, run_id: runId } },
      ...Array<Call>(20).fill({ name: 'hostops__wait_run', args: { run_id: runId } }),
    )
    await expect(lost).rejects.toThrow('agent.wait')
    const { report } = await stack.asOwner('wait', runId)
    await stack.isReady()
    expect(stack.container()).not.toBe(before)
    return report
  }

  test('a version that crashes: the agent of the old one, in a new container, is told of the rollback', async () => {
    expect(await upgrade('vbad', 'to-bad')).toMatchObject({
      ...{ outcome: 'rolled-back', errorCode: 'not-stable', rollbackVerified: true },
      healthAfterRollback: { readyz: true },
      stateSetAside: [{ path: stack.state }],
    })
    expect(stack.release()).toBe(RELEASES.old)
    const [told = ''] = await agent.turn({ name: 'hostops__wait_run', args: { run_id: 'to-bad' } })
    expect(told).toMatch(/^Rolled back to .*, verified: .* \(run to-bad\)\n/)
    expect(told).toContain('panic: out of cards')
  })

  test('a good version: its agent, on the state of the old one, is told that the upgrade succeeded', async () => {
    expect(await upgrade(`v${RELEASES.new}`, 'to-new')).toMatchObject({ outcome: 'succeeded', readyz: true })
    expect(stack.release()).toBe(RELEASES.new)
    // There the tools of servers are found and called through one of OpenClaw's own.
    const args = { id: 'hostops__wait_run', args: { run_id: 'to-new' } }
    const [told = ''] = await agent.turn({ name: 'tool_call', args })
    expect(told).toContain('Succeeded: 2 of 2 health checks passed')
  })
})
