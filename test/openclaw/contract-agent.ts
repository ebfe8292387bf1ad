/** What an agent's turn does with every release of OpenClaw: real gateway, real node host, and a model that is played. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agentAt, lineIn } from '../rig/openclaw-agent.ts'
import { type Release, whyNoOpenclaw } from '../rig/openclaw-gateway.ts'
import { type NodeHostRig, nodeHostRig } from '../rig/openclaw-host.ts'
import { type Model, playedModel } from '../rig/openclaw-model.ts'

export type AgentRig = {
  node: NodeHostRig
  agent: ReturnType<typeof agentAt>
  /** A command of the launcher. */
  trigger(words: string): string
  /** Lets the agent run the launcher without asking, and nothing else. */
  allowTheLauncher(): Promise<void>
}

/** `exec`: of the gateway's configuration, by which it knows the node. `more`: what only this release is asked for. */
export function agentContract(
  { release, exec, mcp = false }: { release: Release; exec: object; mcp?: boolean },
  more: (the: () => AgentRig) => void,
): void {
  describe.skipIf(whyNoOpenclaw(release) !== null)(`an agent's turn on OpenClaw ${release}`, () => {
    let model: Model
    let rig: AgentRig
    beforeAll(async () => {
      model = await playedModel()
      const tools = { exec: { host: 'node', notifyOnExit: false, ...exec } }
      const node = await nodeHostRig({ release, gatewayConfig: { ...model.config, tools }, mcp })
      const allowlist = [{ pattern: node.trigger }]
      rig = {
        node,
        agent: agentAt(node.asOperator, model),
        trigger: words => `${node.trigger} ${words}`,
        allowTheLauncher: () => node.allow({ security: 'allowlist', ask: 'off', allowlist }),
      }
      await rig.allowTheLauncher()
    })
    afterAll(async () => {
      await rig?.node.stop()
      await model?.stop()
    })

    test('starts an upgrade, waits for it, and parses its report', async () => {
      const { node, agent, trigger } = rig
      const [begun = '', ended = ''] = await agent.exec(
        trigger('run upgrade-v2 --run-id good-1'),
        trigger('wait good-1 --timeout 20s'),
      )
      expect(lineIn(begun)).toMatchObject({ runId: 'good-1', outcome: 'started' })
      expect(lineIn(ended)).toMatchObject({ runId: 'good-1', outcome: 'succeeded', healthz: true })
      expect(node.service.head()).toBe('v2')
    })

    test('sees that a bad version was rolled back', async () => {
      const { node, agent, trigger } = rig
      const [, ended = ''] = await agent.exec(
        trigger('run upgrade-v3 --run-id bad-1'),
        trigger('wait bad-1 --timeout 20s'),
      )
      expect(lineIn(ended)).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
      expect(node.service.head()).toBe('v2')
    })

    test('gets a playbook that is not granted refused, and runs no other command', async () => {
      const { agent, trigger } = rig
      const [refused = '', other = ''] = await agent.exec(trigger('run upgrade-openclaw'), 'cat /etc/passwd')
      expect(lineIn(refused)).toMatchObject({ outcome: 'refused', errorCode: 'denied' })
      expect(other).not.toContain('root:')
    })

    test('is told that a run is invalid, and what is wrong with its inputs', async () => {
      const { agent, trigger } = rig
      const [, without = '', , unknown = ''] = await agent.exec(
        trigger('run greet --run-id invalid-1'),
        trigger('wait invalid-1 --timeout 20s'),
        trigger('run greet -i text=x -i nonsense=1 --run-id invalid-2'),
        trigger('wait invalid-2 --timeout 20s'),
      )
      for (const [answer, error] of [
        [without, 'missing input "text"'],
        [unknown, 'unknown input "nonsense"'],
      ] as const)
        expect(lineIn(answer)).toMatchObject({
          ...{ outcome: 'invalid', changed: false, error: expect.stringContaining(error) },
        })
    })

    test('a run of 75 s is waited for by one command after the other', async () => {
      const { agent, trigger } = rig
      const wait = trigger('wait long-1 --timeout 20s')
      const answers = await agent.exec(trigger('run long --run-id long-1'), wait, wait, wait, wait, wait)
      expect(lineIn(answers[1]!)).toMatchObject({ runId: 'long-1', outcome: 'unknown' })
      const last = lineIn(answers.at(-1)!)
      expect(last).toMatchObject({ runId: 'long-1', outcome: 'succeeded' })
      expect(last.durationMs).toBeGreaterThan(75_000)
    })

    more(() => rig)
  })
}
