/** Each version of the fixture, upgraded to with the playbook that ships, on a real engine, on each target. */
import { chmodSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { makeStack, type Stack, TARGETS, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const PLAYBOOK = fileURLToPath(new URL('../../playbooks/upgrade-openclaw.yaml', import.meta.url))
const missing = withoutDocker('upgrades of a real stack')

describe.skipIf(missing !== null).each(TARGETS)('on %s', target => {
  let rig: HostopsRig
  let stack: Stack
  let daemon: DaemonRig | null = null
  let env: NodeJS.ProcessEnv = {}
  const upgrade = (ref: string, ...more: string[]) => {
    const inputs = {
      repoPath: stack.dir,
      ref,
      serviceName: 'gateway',
      gatewayBaseUrl: stack.url,
      healthTimeout: '4s',
    }
    const given = Object.entries(inputs).flatMap(([key, value]) => ['-i', `${key}=${value}`])
    return rig.run(['run', PLAYBOOK, ...given, '--target', target, ...more], { env })
  }
  const now = () => ({ running: stack.running(), head: stack.head() })
  /** Everything is as it was, and the report says so. */
  const isBack = (report: object, before: ReturnType<typeof now>, polled: true | null = true) => {
    expect(report).toMatchObject({
      success: false,
      outcome: 'rolled-back',
      changed: false,
      rollbackPerformed: true,
      rollbackVerified: true,
      rollbackError: null,
      healthAfterRollback: { healthz: polled, readyz: polled },
    })
    expect(now()).toEqual(before)
    expect(stack.clean()).toBe(true)
  }

  beforeAll(async () => {
    rig = hostopsRig()
    stack = await makeStack()
    if (target === 'local') return
    daemon = await startDaemonRig({ env: { HOME: rig.folder } })
    env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
  })
  afterAll(async () => {
    stack?.remove()
    await rig.remove()
    await daemon?.stop()
  })

  test('v2 is good, and the image before it is kept', async () => {
    const [before] = stack.running()
    const { report, code } = await upgrade('v2')
    expect(report).toMatchObject({ outcome: 'succeeded', success: true, changed: true, composeRebuilt: true })
    expect(code).toBe(0)
    const [after] = stack.running()
    expect(after).toMatchObject({ version: 'v2', status: 'running' })
    expect(after?.image).not.toBe(before?.image)
    expect(report.services).toEqual([
      {
        name: 'gateway',
        imageBefore: before?.image,
        imageAfter: after?.image,
        replicas: 1,
        restarts: 0,
        state: 'running',
        exitCode: null,
        changed: true,
      },
    ])
    expect(report.diskFreeBytes?.before).toBeGreaterThan(0)
    expect(stack.head()).toBe('v2')
    expect(report.downtimeSeconds).toBeLessThan(60)
    expect(stack.clean()).toBe(true)
    expect(stack.inspect('{{.Id}}', `hostops/rollback/${stack.project}-gateway:${report.runId}`)).toBe(
      before?.image,
    )
  })

  test('a rollback can be rehearsed, and says what is missing', async () => {
    const before = now()
    const [id] = rig.runIds()
    const runs = rig.everythingIn(`state/runs/${id}`)
    const look = () => rig.run(['rollback', id!, '--check'], { env })
    const { report, code, stderr } = await look()
    expect(report).toMatchObject({ runId: id, outcome: 'planned', dryRun: true })
    expect(code).toBe(0)
    const pin = `hostops/rollback/${stack.project}-gateway:${id}`
    expect(stderr).toContain(`compose.up: kept: gateway ${pin}`)
    expect(stderr).toMatch(/git\.checkout: back to [0-9a-f]{12}/)
    stack.docker('tag', pin, `${stack.project}-aside:1`)
    stack.docker('rmi', pin)
    const lacking = await look()
    expect(lacking.report).toMatchObject({ errorCode: 'pin-lost', success: false })
    expect(lacking.report.error).toContain(pin)
    expect(lacking.code).toBe(1)
    stack.docker('tag', `${stack.project}-aside:1`, pin)
    expect(rig.everythingIn(`state/runs/${id}`)).toBe(runs)
    expect(now()).toEqual(before)
  })

  test('v3 does not build: nothing was stopped, and the error names the line', async () => {
    const before = now()
    const [container] = stack.containers()
    const { report, code } = await upgrade('v3-broken')
    // Nobody has touched what answers there.
    isBack(report, before, null)
    expect(code).toBe(1)
    expect(stack.containers()).toEqual([container])
    expect(report.downtimeSeconds).toBe(0)
    expect(report).toMatchObject({ failedStep: 'compose.build', errorCode: 'compose-failed' })
    expect(report.error).toMatch(/exit code (17|1): main\.c:12: error: expected declaration$/)
    expect(report.logsTail).toContain('main.c:12: error: expected declaration')
  })

  test('v4 never gets ready: the error says what it says', async () => {
    const before = now()
    const { report, code } = await upgrade('v4-unhealthy')
    isBack(report, before)
    expect(code).toBe(1)
    expect(report.failedStep).toBe('health.poll')
    // Docker's own word, or the end of the time before it.
    expect(['not-stable', 'unhealthy']).toContain(report.errorCode)
    expect(report.error).toContain('not ready: upstream database is unreachable')
    expect(report.failedService).toMatchObject({
      name: 'gateway',
      state: 'running',
      health: expect.stringMatching(/^(unhealthy|starting)/),
    })
    expect(report.logsTail).toContain('GET /readyz -> 503')
  })

  test('v5 crashes: found out at once, with its exit code and its last words', async () => {
    const before = now()
    const { report, code } = await upgrade('v5-crashloop')
    isBack(report, before)
    expect(code).toBe(1)
    // Whichever looks first after the crash: the window is theirs together.
    expect(['compose.up', 'health.poll']).toContain(report.failedStep)
    expect(report.errorCode).toBe('not-stable')
    expect(report.downtimeSeconds).toBeGreaterThan(0)
    expect(report.error).toMatch(/^gateway: .*(restarted|ended).*exit code 1/)
    expect(report.error).toContain('panic: missing required setting')
    expect(report.failedService).toMatchObject({
      name: 'gateway',
      exitCode: 1,
      logsTail: expect.stringContaining('panic: missing required setting GATEWAY_SECRET'),
    })
    expect(report.failedService?.image).not.toBe(before.running[0]?.image)
  })

  test.runIf(target === 'local')(
    'the evidence is whole before the container that failed is replaced',
    async () => {
      const before = now()
      const slow = '#!/bin/sh\nPATH=${PATH#*:}\n[ "$1" != logs ] || sleep 3\nexec docker "$@"\n'
      chmodSync(rig.write('bin/docker', slow), 0o755)
      env = { PATH: `${rig.path('bin')}:${process.env['PATH']}` }
      const { report } = await upgrade('v5-crashloop')
      isBack(report, before)
      expect(report.failedService).toMatchObject({ name: 'gateway' })
      expect(report.logsTail).toContain('panic')
    },
  )
})
