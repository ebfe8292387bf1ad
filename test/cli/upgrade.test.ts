/** The upgrade of a real service from a real repository: what the report says is what the service answers. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type HostopsRig, hostopsRig, poll } from '../rig/hostops.ts'
import { makeService, type Service } from '../rig/service.ts'

const PLAYBOOK = fileURLToPath(new URL('../../examples/upgrade-process.yaml', import.meta.url))

let rig: HostopsRig
let service: Service
const upgrade = (ref: string, ...more: string[]) => {
  const inputs = {
    repoPath: service.checkout,
    ref,
    restart: service.restart,
    baseUrl: service.baseUrl,
    healthTimeout: '3s',
  }
  return rig.run([
    'run',
    PLAYBOOK,
    ...Object.entries(inputs).flatMap(([k, v]) => ['-i', `${k}=${v}`]),
    ...more,
  ])
}

beforeAll(async () => {
  rig = hostopsRig()
  service = await makeService(rig.folder)
})
afterAll(async () => {
  service.stop()
  await rig.remove()
})
beforeEach(() => poll(async () => (await service.says()) !== null))

test('to a good version, and again: nothing to do but the restart', async () => {
  const { report, stderr } = await upgrade('v2')
  const [from, to] = [report.beforeSha, report.afterSha].map(sha => sha!.slice(0, 7))
  expect(stderr).toContain(`\nSucceeded: 2 of 2 health checks passed, ${from} → ${to} (`)
  expect(report.observations).toEqual(
    expect.arrayContaining([
      { what: 'git-head', target: service.checkout, saw: report.afterSha, ok: true },
      { what: 'git-branch', target: service.checkout, saw: 'detached', ok: true },
      { what: 'http', target: `${service.baseUrl}/readyz`, saw: '200', ok: true },
    ]),
  )
  expect(report).toMatchObject({
    outcome: 'succeeded',
    repoPath: service.checkout,
    requestedRef: 'v2',
    healthz: true,
    readyz: true,
    beforeBranch: null,
    afterBranch: null,
  })
  expect(report.beforeSha).not.toBe(report.afterSha)
  expect(await service.says()).toBe('v2')
  expect(service.head()).toBe('v2')
})

test('to one that never gets ready: back, and verified', async () => {
  const { report, stderr } = await upgrade('v3')
  expect(report).toMatchObject({
    outcome: 'rolled-back',
    failedStep: 'health.poll',
    errorCode: 'unhealthy',
    rollbackPerformed: true,
    rollbackVerified: true,
    // Of the version that was deployed, and apart of the one that is back.
    healthz: true,
    readyz: false,
    healthAfterRollback: { healthz: true, readyz: true },
  })
  expect(report.afterSha).toBe(report.beforeSha)
  expect(report.error).toContain('503')
  const back = report.beforeSha!.slice(0, 7)
  expect(stderr).toContain(`\nRolled back to ${back}, verified: HEAD, 2 health checks (`)
  const { saw, ok } = report.rollbackObservations.find(({ what }) => what === 'git-head')!
  expect([saw, ok]).toEqual([report.beforeSha, true])
  expect(await service.says()).toBe('v2')
  expect(service.head()).toBe('v2')
})

test('to one that crashes: back, and verified', async () => {
  const { report } = await upgrade('v4')
  expect(report).toMatchObject({ outcome: 'rolled-back', errorCode: 'unhealthy', rollbackVerified: true })
  expect(await service.says()).toBe('v2')
  expect(service.head()).toBe('v2')
})

test('to one that crashes, without rollback: it says that the host is changed', async () => {
  const { report, code } = await upgrade('v4', '--no-rollback')
  expect(report).toMatchObject({
    outcome: 'failed-changed',
    healthz: false,
    readyz: false,
    rollbackPerformed: false,
  })
  expect(code).toBe(5)
  expect(service.head()).toBe('v4')
  const { report: mended } = await upgrade('v2')
  expect(mended.outcome).toBe('succeeded')
})

test('a check tells from where to where, a hash holds a run to it', async () => {
  const checked = await upgrade('v1', '--check')
  expect(checked.report).toMatchObject({ outcome: 'planned', dryRun: true })
  expect(checked.stderr).toMatch(/git\.checkout: .*[0-9a-f]{7,}.*[0-9a-f]{7,}/)
  const held = await upgrade('v1', '--plan', checked.report.planHash!)
  expect(held.report.outcome).toBe('succeeded')
  const moved = await upgrade('v1', '--plan', checked.report.planHash!)
  expect(moved.report).toMatchObject({ outcome: 'refused', errorCode: 'plan-moved' })
})
