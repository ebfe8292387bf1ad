/** An agent of a real gateway upgrades a service of the node's host; its model plays back what it is told. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reportOf } from '../rig/hostops.ts'
import { NODE_NAME, RELEASES, whyNoOpenclaw } from '../rig/openclaw-gateway.ts'
import { type NodeHostRig, nodeHostRig } from '../rig/openclaw-host.ts'
import { callText, type Model, playedModel } from '../rig/openclaw-model.ts'

describe.skipIf(whyNoOpenclaw(RELEASES.new) !== null)(`an agent's turn on OpenClaw ${RELEASES.new}`, () => {
  let model: Model
  let node: NodeHostRig
  beforeAll(async () => {
    model = await playedModel()
    const tools = { exec: { host: 'node', mode: 'allowlist', notifyOnExit: false } }
    node = await nodeHostRig({ release: RELEASES.new, gatewayConfig: { ...model.config, tools }, mcp: true })
    await node.allow({ security: 'allowlist', ask: 'off', allowlist: [{ pattern: node.trigger }] })
  })
  afterAll(async () => {
    await node?.stop()
    await model?.stop()
  })

  /** What the tool has answered to each command. */
  const turn = async (...commands: string[]): Promise<string[]> => {
    const calls = commands.map(command => ({
      name: 'exec',
      args: { command, host: 'node', node: NODE_NAME },
    }))
    return played(calls)
  }
  const played = async (calls: Parameters<typeof callText>[0]): Promise<string[]> => {
    await node.asOperator(async operator => {
      const { runId } = await operator.request<{ runId: string }>('agent', {
        ...{ message: callText(calls), agentId: 'main', sessionKey: `agent:main:${randomUUID()}` },
        idempotencyKey: randomUUID(),
      })
      await operator.request('agent.wait', { runId, timeoutMs: 150_000 })
    })
    return model.answers()
  }
  const lineIn = (answer: string) => {
    const line = answer.split('\n').find(each => each.startsWith('OPENCLAW_RESULT_JSON:'))
    return reportOf(`${line}\n`)
  }

  test('starts an upgrade, waits for it, and parses its report', async () => {
    const [begun = '', ended = ''] = await turn(
      `${node.trigger} run upgrade-v2 --run-id agent-1`,
      `${node.trigger} wait agent-1 --timeout 20s`,
    )
    expect(lineIn(begun)).toMatchObject({ runId: 'agent-1', outcome: 'started' })
    expect(lineIn(ended)).toMatchObject({ runId: 'agent-1', outcome: 'succeeded', healthz: true })
    expect(node.service.head()).toBe('v2')
  })

  test('sees that a bad version was rolled back', async () => {
    const [, ended = ''] = await turn(
      `${node.trigger} run upgrade-v3 --run-id agent-2`,
      `${node.trigger} wait agent-2 --timeout 20s`,
    )
    expect(lineIn(ended)).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(node.service.head()).toBe('v2')
  })

  test('gets a playbook that is not granted refused, and runs no other command', async () => {
    const [refused = '', other = ''] = await turn(`${node.trigger} run upgrade-openclaw`, 'cat /etc/passwd')
    expect(lineIn(refused)).toMatchObject({ outcome: 'refused', errorCode: 'denied' })
    expect(other).not.toContain('root:')
  })

  describe('where the node lets nobody run a command', () => {
    beforeAll(() => node.allow({ security: 'deny', ask: 'off' }))
    /** OpenClaw lets an agent find the tools of nodes and call them through one of its own. */
    const call = (tool: string, args: object) => ({
      name: 'tool_call',
      args: { id: `hostops_${tool}`, args },
    })

    test('exec is refused, and the agent upgrades with the tools of hostops mcp', async () => {
      const [exec = '', begun = '', ended = ''] = await played([
        { name: 'exec', args: { command: `${node.trigger} list`, host: 'node', node: NODE_NAME } },
        call('run_upgrade_v2', { mode: 'run', run_id: 'typed-1' }),
        call('wait_run', { run_id: 'typed-1' }),
      ])
      expect(exec).toContain('security=deny')
      expect(begun).toMatch(/outcome[^,]*started/)
      expect(ended).toMatch(/outcome[^,]*succeeded/)
    })

    test('a tool is called over HTTP, without a model', async () => {
      const answer = await fetch(`http://127.0.0.1:${node.openclaw.port}/tools/invoke`, {
        method: 'POST',
        headers: { authorization: `Bearer ${node.openclaw.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ tool: 'hostops_report_run', args: { run_id: 'typed-1' } }),
      })
      expect([answer.status, await answer.text()]).toEqual([
        200,
        expect.stringMatching(/outcome[^,]*succeeded/),
      ])
    })
  })

  test('and hostops reports the same run through the gateway', async () => {
    await node.allow({ security: 'full', ask: 'off' })
    expect((await node.at('report', 'agent-1')).report).toMatchObject({ outcome: 'succeeded' })
  })
})
