/** An agent of a real gateway upgrades a service of the node's host; its model plays back what it is told. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { poll } from '../rig/hostops.ts'
import { execCall, lineIn } from '../rig/openclaw-agent.ts'
import { RELEASES } from '../rig/openclaw-gateway.ts'
import type { Operator } from '../rig/openclaw-operator.ts'
import { workingOn } from '../rig/processes.ts'
import { agentContract } from './contract-agent.ts'

type Requested = { id: string; request: { command: string } }

/** What an agent may do without asking, where its starts are approved. */
const READS = '^(wait|report) '

agentContract({ release: RELEASES.new, exec: { mode: 'allowlist' }, mcp: true }, the => {
  test('200 000 characters of noise are cut, and the report is whole', async () => {
    const { agent, trigger } = the()
    const [, ended = '', logs = '', again = ''] = await agent.exec(
      trigger('run noise --run-id noise-1'),
      trigger('wait noise-1 --timeout 20s'),
      trigger('logs noise-1'),
      trigger('report noise-1'),
    )
    expect(lineIn(ended)).toMatchObject({ runId: 'noise-1', outcome: 'succeeded' })
    expect(logs).not.toContain('noise | 1\n')
    expect(logs.length).toBeLessThan(200_000)
    expect(lineIn(again)).toEqual(lineIn(ended))
  })

  test('a command that OpenClaw ends in the middle of a rollback: the run ends well', async () => {
    const { node, agent, trigger } = the()
    node.undo.prepare()
    await agent.exec(trigger('run slow-back --run-id back-1'))
    await poll(node.undo.hasStarted)
    const [cut = ''] = await agent.turn(execCall(trigger('wait back-1 --timeout 20s'), { timeoutSeconds: 4 }))
    expect(cut).toContain('Command timed out')
    expect(node.undo.isDone()).toBe(false)
    node.undo.letGo()
    const [ended = ''] = await agent.exec(trigger('wait back-1 --timeout 20s'))
    expect(lineIn(ended)).toMatchObject({
      outcome: 'rolled-back',
      failedStep: 'fails',
      rollbackVerified: true,
    })
  })

  test('the gateway restarted in the middle of a turn: the run goes on, once, and is found by its id', async () => {
    const { node, agent, trigger } = the()
    await agent.exec(trigger('run gate --run-id gate-1'))
    const lost = agent.exec(trigger('wait gate-1 --timeout 20s')).catch(() => null)
    await poll(() => workingOn('wait\0gate-1').length > 0)
    await node.openclaw.gateway.stop('SIGKILL')
    expect(await lost).toBe(null)
    await node.openclaw.gateway.start()
    await node.asOperator(node.openclaw.pair)
    node.letGo()
    const [ended = ''] = await agent.exec(trigger('wait gate-1 --timeout 20s'))
    expect(lineIn(ended)).toMatchObject({ runId: 'gate-1', outcome: 'succeeded' })
    expect([node.counted(), node.asked('start', 'gate-1')]).toEqual([1, 1])
  })

  describe('where a second operator decides about each start', () => {
    const NAME = 'a second operator'
    let second: Operator
    beforeAll(async () => {
      const { node } = the()
      const allowlist = [{ pattern: node.trigger, argPattern: READS }]
      await node.allow({ security: 'allowlist', ask: 'on-miss', askFallback: 'deny', allowlist })
      second = await node.openclaw.approver(NAME)
    })
    afterAll(async () => {
      second?.close()
      await the().allowTheLauncher()
    })
    /** The second one's answer to the next question, in the middle of a turn. */
    const decide = async (decision: 'allow-once' | 'deny') => {
      const { id, request } = await second.next<Requested>('exec.approval.requested')
      expect(request.command).toContain('upgrade-v2')
      await second.request('exec.approval.resolve', { id, decision })
      expect(await second.next('exec.approval.resolved', id)).toMatchObject({ decision, resolvedBy: NAME })
    }

    test('who denies it: nothing was started', async () => {
      const { node, agent, trigger } = the()
      const turn = agent.exec(
        trigger('run upgrade-v2 --run-id denied-1'),
        trigger('wait denied-1 --timeout 20s'),
      )
      await decide('deny')
      const [denied = '', unknown = ''] = await turn
      expect(denied).toContain('denied')
      expect(unknown).not.toContain('succeeded')
      expect([node.asked('start', 'denied-1'), node.host.journal('denied-1')]).toEqual([0, ''])
    })

    test('who approves it: it runs once, and the agent gets the report', async () => {
      const { node, agent, trigger } = the()
      const turn = agent.exec(
        trigger('run upgrade-v2 --run-id approved-1'),
        trigger('wait approved-1 --timeout 20s'),
      )
      await decide('allow-once')
      const [begun = '', ended = ''] = await turn
      expect(lineIn(begun)).toMatchObject({ runId: 'approved-1', outcome: 'started' })
      expect(lineIn(ended)).toMatchObject({ runId: 'approved-1', success: true })
      expect(node.asked('start', 'approved-1')).toBe(1)
    })
  })

  describe('where the node lets nobody run a command', () => {
    beforeAll(() => the().node.allow({ security: 'deny', ask: 'off' }))
    /** OpenClaw lets an agent find the tools of nodes and call them through one of its own. */
    const call = (tool: string, args: object) => ({
      name: 'tool_call',
      args: { id: `hostops_${tool}`, args },
    })

    test('exec is refused, and the agent upgrades with the tools of hostops mcp', async () => {
      const { agent, trigger } = the()
      const [exec = '', begun = '', ended = ''] = await agent.turn(
        execCall(trigger('list')),
        call('run_upgrade_v2', { mode: 'run', run_id: 'typed-1' }),
        call('wait_run', { run_id: 'typed-1' }),
      )
      expect(exec).toContain('security=deny')
      expect(begun).toMatch(/outcome[^,]*started/)
      expect(ended).toMatch(/outcome[^,]*(succeeded|unchanged)/)
    })

    test('a tool is called over HTTP, without a model', async () => {
      const { node } = the()
      const answer = await fetch(`http://127.0.0.1:${node.openclaw.port}/tools/invoke`, {
        method: 'POST',
        headers: { authorization: `Bearer ${node.openclaw.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ tool: 'hostops_report_run', args: { run_id: 'typed-1' } }),
      })
      expect([answer.status, await answer.text()]).toEqual([
        200,
        expect.stringMatching(/outcome[^,]*(succeeded|unchanged)/),
      ])
    })
  })

  describe('where the node’s user may run hostops itself', () => {
    beforeAll(() => {
      const { node } = the()
      const allowlist = [{ pattern: node.hostops }, { pattern: node.trigger }]
      return node.allow({ security: 'allowlist', ask: 'off', allowlist })
    })
    const run = (playbook: string, id: string) => {
      const { hostops, fileOf } = the().node
      return `${hostops} run ${fileOf(playbook)} --target local --run-id ${id}`
    }

    test('a run that OpenClaw kills in the middle of its rollback is rolled back all the same', async () => {
      const { node, agent } = the()
      node.undo.prepare()
      const [cut = ''] = await agent.turn(execCall(run('slow-back', 'own-1'), { timeoutSeconds: 15 }))
      expect(cut).toContain('Command timed out')
      expect([node.undo.hasStarted(), node.undo.isDone()]).toEqual([true, false])
      node.undo.letGo()
      const [ended = ''] = await agent.exec(`${node.hostops} wait own-1 --timeout 30s`)
      expect(lineIn(ended)).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    })

    test('200 000 characters of noise may take the room of the report; it is told again, and with --quiet at once', async () => {
      const [loud = '', told = '', quiet = ''] = await the().agent.exec(
        run('noise', 'own-2'),
        `${the().node.hostops} report own-2`,
        `${run('noise', 'own-3')} --quiet`,
      )
      expect(loud).toContain('noise | ')
      expect(loud.length).toBeLessThan(200_000)
      expect(lineIn(told)).toMatchObject({ runId: 'own-2', outcome: 'succeeded' })
      expect(lineIn(quiet)).toMatchObject({ runId: 'own-3', outcome: 'succeeded' })
    })

    test('and hostops reports a run of the agent’s through the gateway', async () => {
      const { node } = the()
      expect((await node.at('report', 'good-1')).report).toMatchObject({ outcome: 'succeeded' })
    })
  })
})
