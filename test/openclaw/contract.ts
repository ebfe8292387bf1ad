/** What `--target node:NAME` does with every release of OpenClaw, on its real gateway and node host. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { poll } from '../rig/hostops.ts'
import { type Release, whyNoOpenclaw } from '../rig/openclaw-gateway.ts'
import { type NodeHostRig, nodeHostRig, TARGET } from '../rig/openclaw-host.ts'
import { gatewayProxy } from '../rig/openclaw-proxy.ts'

/** `more`: what only this release is asked for, on the same gateway. */
export function nodeTargetContract(release: Release, more: (node: () => NodeHostRig) => void): void {
  describe.skipIf(whyNoOpenclaw(release) !== null)(`node:NAME on OpenClaw ${release}`, () => {
    let node: NodeHostRig
    beforeAll(async () => {
      node = await nodeHostRig({ release })
      await node.allow({ security: 'allowlist', ask: 'off', allowlist: [{ pattern: node.trigger }] })
    })
    afterAll(() => node?.stop())

    test('a run is followed; its line is the host’s own, byte for byte, now and later', async () => {
      const run = await node.at('run', 'greet', '-i', 'text=hello', '--run-id', 'r1')
      expect(run.report).toMatchObject({ runId: 'r1', outcome: 'succeeded', target: 'local' })
      expect([run.code, run.stderr]).toEqual([0, expect.stringContaining('hello')])
      for (const verb of ['wait', 'report']) {
        const again = await node.at(verb, 'r1')
        expect([again.stdout, again.code]).toEqual([run.stdout, 0])
      }
      expect((await node.at('runs')).stdout).toMatch(/^r1 +succeeded +greet /m)
      expect((await node.at('logs', 'r1')).stdout).toBe('greet | hello\n')
      const events = (await node.at('events', 'last')).stdout.trim().split('\n')
      expect(events.map(line => JSON.parse(line).type).at(-1)).toBe('run-finished')
    })

    test('list, show and doctor tell what the node may run', async () => {
      expect((await node.at('list')).stdout).toMatch(/^upgrade-v2$/m)
      expect((await node.at('show', 'greet')).stdout).toMatch(/text +string +required/)
      const doctor = await node.at('doctor', '--json')
      expect(JSON.parse(doctor.stdout)).toMatchObject({ ok: true, target: TARGET })
    })

    test('a service is upgraded; a bad version is rolled back, and verified', async () => {
      const good = await node.at('run', 'upgrade-v2')
      expect([good.report.outcome, good.code, node.service.head()]).toEqual(['succeeded', 0, 'v2'])
      const bad = await node.at('run', 'upgrade-v3')
      expect([bad.report.outcome, bad.code, node.service.head()]).toEqual(['rolled-back', 1, 'v2'])
      expect(bad.report.rollbackVerified).toBe(true)
    })

    test('detached, waited for and confirmed', async () => {
      const begun = await node.at('run', 'sure', '--detach', '--run-id', 'r2')
      expect([begun.report.outcome, begun.code]).toEqual(['started', 0])
      const early = await node.at('wait', 'r2', '--timeout', '1s')
      expect([early.report.outcome, early.code]).toEqual(['unknown', 6])
      expect((await node.at('confirm', 'r2')).stderr).toBe('r2 is confirmed (step sure)\n')
      expect((await node.at('wait', 'r2')).report.outcome).toBe('succeeded')
    })

    test('200 000 characters of noise, and the report whole', async () => {
      const run = await node.at('run', 'noise')
      expect(run.report).toMatchObject({ outcome: 'succeeded' })
      const { stdout } = await node.at('logs', run.report.runId)
      expect(stdout.length).toBeGreaterThan(200_000)
      expect(stdout).toContain('noise | 40000\n')
    })

    describe('says what is in the way:', () => {
      const run = (target: string, env: object = {}) =>
        node.rig.run(['run', 'greet', '-i', 'text=x', '--target', target], { env: { ...node.env, ...env } })

      test.each([
        ['a typing mistake', 'node:dekk', {}, 'invalid', /no node "dekk" .*\nhint: did you mean node:desk\?/],
        ['another node', 'node:elsewhere', {}, 'invalid', /no node "elsewhere".*\nhint: .*openclaw nodes/],
        [
          'a wrong token',
          TARGET,
          { OPENCLAW_GATEWAY_TOKEN: 'x' },
          'unreachable',
          /token\nhint: .*OPENCLAW_GATEWAY_TOKEN/,
        ],
        [
          'no token',
          TARGET,
          { OPENCLAW_GATEWAY_TOKEN: '' },
          'invalid',
          /no token.*\nhint: set OPENCLAW_GATEWAY_TOKEN/,
        ],
        [
          'no gateway',
          TARGET,
          { OPENCLAW_GATEWAY_URL: 'ws://127.0.0.1:1' },
          'unreachable',
          /does not answer/,
        ],
      ])('%s', async (_, target, env, outcome, words) => {
        const ended = await run(target, env)
        expect(ended.stderr).toMatch(words)
        expect(ended.report.outcome).toBe(outcome)
      })

      test('a file, and a dry run', async () => {
        const file = node.rig.playbook('own', [{ run: ['true'] }])
        const ended = await node.at('run', file)
        expect([ended.report.outcome, ended.stderr]).toEqual(['invalid', expect.stringContaining('by name')])
        expect((await node.at('run', 'greet', '--dry-run')).report.outcome).toBe('invalid')
      })

      test('a launcher that is not there', async () => {
        const config = node.rig.write(
          'other.yaml',
          '{ nodes: { desk: { trigger: /nowhere/hostops-trigger } } }',
        )
        await node.allow({ security: 'full', ask: 'off' })
        const ended = await node.at('run', 'greet', '-i', 'text=x', '--config', config)
        expect(ended.stderr).toMatch(/"\/nowhere\/hostops-trigger" is not on the target/)
        expect([ended.report.outcome, ended.report.errorCode]).toEqual(['unreachable', 'command-not-started'])
      })

      test('a node that lets nobody run anything', async () => {
        await node.allow({ security: 'deny', ask: 'off' })
        const ended = await node.at('run', 'greet', '-i', 'text=x')
        expect(ended.stderr).toMatch(/SYSTEM_RUN_.*\nhint: .*hostops-trigger.*exec approvals/)
        expect([ended.report.outcome, ended.code, ended.report.errorCode]).toEqual(['refused', 3, 'denied'])
        await node.allow({ security: 'allowlist', ask: 'off', allowlist: [{ pattern: node.trigger }] })
      })
    })

    test('a connection that is lost before the start is answered: started once, and followed to its end', async () => {
      const proxy = await gatewayProxy(node.openclaw.port, { cutAt: /attached|run_id/ })
      const env = { ...node.env, OPENCLAW_GATEWAY_URL: proxy.url }
      const run = node.rig.start(['run', 'gate', '--run-id', 'r3', '--target', TARGET], { env })
      await poll(() => proxy.cuts() === 1)
      await poll(() => node.counted() === 1)
      node.letGo()
      const ended = await run.ended
      expect([ended.report.outcome, ended.code]).toEqual(['succeeded', 0])
      // The host would have attached a second one to the same run: it is the request that must not be repeated.
      expect(node.asked('start', 'r3')).toBe(1)
      expect(node.counted()).toBe(1)
      proxy.stop()
    })

    test('from another machine: an operator approves this hostops once', async () => {
      const proxy = await gatewayProxy(node.openclaw.port, { isRemote: true })
      const list = () =>
        node.rig.run(['list', '--target', TARGET], { env: { ...node.env, OPENCLAW_GATEWAY_URL: proxy.url } })
      const first = await list()
      expect([first.code, first.stdout]).toEqual([4, ''])
      const [, requestId = ''] = /hint: .*openclaw devices approve (\S+)/.exec(first.stderr) ?? []
      await node.asOperator(operator => operator.request('device.pair.approve', { requestId }))
      for (const again of [await list(), await list()]) expect(again.stdout).toMatch(/^greet$/m)
      expect(statSync(join(node.env.HOSTOPS_STATE_DIR, 'openclaw-device.pem')).mode & 0o777).toBe(0o600)
      proxy.stop()
    })

    more(() => node)

    test('a gateway that is restarted in the middle of a run: its report is told all the same', async () => {
      await node.allow({ security: 'full', ask: 'off' })
      const run = node.begin('run', 'rest', '--run-id', 'r4')
      await run.until(/resting/)
      await node.openclaw.gateway.stop('SIGKILL')
      await node.openclaw.gateway.start()
      const ended = await run.ended
      // After a minute of silence the client leaves it at that; the older gateway may take longer than that.
      expect(['succeeded', 'unknown']).toContain(ended.report.outcome)
      const later = await node.at('wait', 'r4')
      expect([later.report.runId, later.report.outcome, later.code]).toEqual(['r4', 'succeeded', 0])
    })
  })
}
