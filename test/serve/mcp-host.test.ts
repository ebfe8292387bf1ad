/** `hostops mcp --target hostlink`: a playbooks token of a real daemon, which comes and goes. */
import { rmSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HostRig, hostRig } from '../rig/host.ts'
import { type HostopsRig, hostopsRig, poll, reportOf } from '../rig/hostops.ts'
import { type McpRig, mcpRig } from '../rig/mcp.ts'
import { startScripted } from '../rig/scripted-daemon.ts'

let rig: HostopsRig
let host: HostRig
let mcp: McpRig
const letGo = () => rig.write('go', '')
const open = async (...args: string[]) => {
  mcp = await mcpRig(rig, ['--target', 'hostlink', ...args], { env: host.agentEnv })
  return mcp
}
const gate = () => ({
  id: 'gate',
  script: `while test -d '${rig.folder}' && ! test -e '${rig.path('go')}'; do sleep 0.05; done`,
  effect: 'read',
})
const made = () => ({
  id: 'made',
  run: ['touch', rig.path('made')],
  undo: ['rm', '-f', rig.path('made')],
  verify: ['test', '!', '-e', rig.path('made')],
})
const inputs = {
  text: { type: 'string', pattern: '[a-z]+' },
  where: { type: 'path' },
  count: { type: 'integer', default: 1 },
}

beforeEach(async () => {
  rig = hostopsRig()
  host = await hostRig(rig, { policy: {} })
  const grant = (name: string, steps: readonly object[], more: object = {}, pinned: object = {}) => ({
    ...{ name, pinned, digest: `sha256:${host.install(name, steps, more)}` },
  })
  const sure = { id: 'sure', uses: 'confirm', with: { within: '1h', by: 'other' } }
  const fail = { id: 'fail', run: ['sh', '-c', 'exit 3'], effect: 'read' }
  const write = { id: 'w', script: 'echo "$T"', env: { T: '${{ inputs.text }}' }, effect: 'read' }
  host.install('not-granted', [made()])
  host.writePolicy([
    grant('write', [write], { inputs }, { where: '/srv' }),
    grant('slow', [made(), gate()]),
    grant('fails', [made(), fail]),
    grant('watched', [sure]),
  ])
  await host.kill('SIGTERM')
  await host.start()
})
afterEach(async () => {
  letGo()
  await mcp.close()
  await host.stop()
  await rig.remove()
})

test('offers what the token may run, without what its policy pins, and runs it', async () => {
  await open()
  const tools = await mcp.tools()
  expect(tools.map(({ name }) => name).filter(name => name.startsWith('run_'))).toEqual([
    ...['run_write', 'run_slow', 'run_fails', 'run_watched'],
  ])
  expect(tools[0]!.inputSchema.properties!['inputs']).toMatchObject({
    properties: { text: { pattern: '^(?:[a-z]+)$' }, count: { type: 'integer', default: 1 } },
    required: ['text'],
  })
  expect(JSON.stringify(tools[0])).not.toContain('where')
  const checked = await mcp.call('run_write', { inputs: { text: 'hello' } })
  expect(checked.report).toMatchObject({ outcome: 'planned', planHash: expect.any(String) })
  const run = { mode: 'run', inputs: { text: 'hello' }, plan: checked.report.planHash, run_id: 'r' }
  expect((await mcp.call('run_write', run)).report.outcome).toBe('started')
  const ended = await mcp.call('wait_run', { run_id: 'r' })
  expect(ended).toMatchObject({ isError: false, report: { outcome: 'succeeded' } })
  const printed = await rig.run(['report', 'r', '--target', 'hostlink'], { env: host.agentEnv })
  expect(ended.structured).toEqual(reportOf(printed.stdout))
  const denied = await mcp.call('run_write', { inputs: { text: 'a', where: '/etc' } })
  expect(denied).toMatchObject({ isError: true, report: { outcome: 'refused', errorCode: 'denied' } })
  expect((await mcp.call('run_not_granted')).isError).toBe(true)
})

test('a failed run is an error with the very report, rolled back; progress names its steps', async () => {
  await open()
  await mcp.call('run_fails', { mode: 'run', run_id: 'r' })
  const words: (string | undefined)[] = []
  const ended = await mcp.call(
    'wait_run',
    { run_id: 'r' },
    { onprogress: ({ message }) => void words.push(message) },
  )
  expect(ended).toMatchObject({ isError: true, report: { outcome: 'rolled-back', rollbackVerified: true } })
  const printed = await rig.run(['report', 'r', '--target', 'hostlink'], { env: host.agentEnv })
  expect([ended.structured, printed.code]).toEqual([reportOf(printed.stdout), 1])
  expect(words.at(-1)).toBe('rolled-back')
  expect(rig.exists('made')).toBe(false)
})

test('the starter’s token is no second pair of eyes; the owner’s is', async () => {
  await open()
  await mcp.call('run_watched', { mode: 'run', run_id: 'r' })
  await poll(() => host.journal('r').includes('confirm-awaited'))
  const refused = await mcp.call('confirm_run', { run_id: 'r' })
  expect(refused).toMatchObject({
    isError: true,
    report: { outcome: 'refused', errorCode: 'not-confirmable' },
  })
  const owner = await mcpRig(rig, ['--target', 'hostlink'], { env: host.env })
  expect((await owner.call('confirm_run', { run_id: 'r' })).isError).toBe(false)
  await owner.close()
  expect((await mcp.call('wait_run', { run_id: 'r' })).report.outcome).toBe('succeeded')
})

test('a host that is not there at the start: the tools say so, and the list changes when it comes', async () => {
  await host.kill('SIGTERM')
  await open()
  const names = async () => (await mcp.tools()).map(({ name }) => name)
  expect(await names()).toEqual(['list_runs', 'report_run', 'wait_run', 'cancel_run', 'confirm_run'])
  expect(mcp.stderr()).toMatch(
    /^mcp: no playbooks to offer: .*cannot be reached|^mcp: no playbooks to offer: /,
  )
  const start = await mcp.call('run_slow', { mode: 'run', run_id: 'r' })
  expect(start).toMatchObject({ isError: true, report: { outcome: 'unreachable', success: false } })
  expect(await mcp.call('list_runs')).toMatchObject({ isError: true })
  const waited = await mcp.call('wait_run', { run_id: 'r' })
  expect(waited).toMatchObject({ isError: false, report: { runId: 'r', outcome: 'unknown', success: null } })
  const cancelled = await mcp.call('cancel_run', { run_id: 'r' })
  expect(cancelled).toMatchObject({ isError: true, report: { outcome: 'unreachable' } })
  await host.start()
  expect((await mcp.call('list_runs')).isError).toBe(false)
  await poll(() => mcp.changes() === 1)
  expect(await names()).toContain('run_slow')
})

test('a daemon that dies in the middle of a wait: the wait goes on when it is back, or ends in time', async () => {
  await open()
  await mcp.call('run_slow', { mode: 'run', run_id: 'r' })
  await poll(() => host.journal('r').includes('"step-started","id":"gate"'))
  const back = mcp.call('wait_run', { run_id: 'r', timeout_s: 40 })
  await mcp.call('report_run', { run_id: 'r' })
  await host.kill()
  await host.start()
  letGo()
  expect((await back).report.outcome).toBe('succeeded')
  rmSync(rig.path('go'))
  await mcp.call('run_slow', { mode: 'run', run_id: 's' })
  const killed = () => void host.kill()
  const lost = mcp.call('wait_run', { run_id: 's', timeout_s: 2 }, { onprogress: killed })
  expect(await lost).toMatchObject({ isError: false, report: { runId: 's', outcome: 'unknown' } })
  await host.start()
  letGo()
  expect((await mcp.call('wait_run', { run_id: 's' })).report.outcome).toBe('succeeded')
})

test('what a lying host calls its playbooks reads no file here, and steers nothing', async () => {
  const file = rig.write(
    'evil.yaml',
    JSON.stringify({ hostops: 1, name: 'evil', steps: [{ run: ['true'] }] }),
  )
  const evil = (name: string, more: object = {}) => ({
    ...{ name, description: 'a\u001b]0;x\u0007', inputs: [], problem: null, digest: null },
    ...more,
  })
  const bad = { name: 'a', type: 'string', from: 'caller', description: null, value: null, pattern: '(' }
  const names = [file, 'evil.yaml', '../evil.yaml', 'x'.repeat(10_000), 'plain']
  const playbooks = [...names.map(name => evil(name)), evil('odd', { inputs: [bad] })]
  const report = { runId: 'r', outcome: 'rolled-back', error: 7, steps: 'x', observations: 5 }
  const liar = await startScripted(({ action }, reply) =>
    reply.answer(
      action === 'playbooks'
        ? { playbooks }
        : {
            done: true,
            entries: [],
            exit_code: 0,
            stdout: `OPENCLAW_RESULT_JSON:${JSON.stringify(report)}\n`,
          },
    ),
  )
  const at = liar.endpoint.at as { path: string }
  mcp = await mcpRig(rig, ['--target', 'hostlink'], {
    env: { HOSTLINK_SOCKET: at.path, HOSTLINK_TOKEN: 'scripted' },
  })
  const offered = (await mcp.tools()).map(({ name }) => name).filter(name => name.startsWith('run_'))
  expect(offered).toEqual(['run_plain', 'run_odd'])
  await mcp.call('run_plain', { mode: 'run' })
  expect(liar.requests.filter(({ action }) => action === 'start')).toMatchObject([
    { playbook: { name: 'plain' } },
  ])
  expect((await mcp.call('wait_run', { run_id: 'r' })).text).not.toBe('')
  await liar.stop()
})
