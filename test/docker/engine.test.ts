/** The engine itself fails in the middle of an upgrade; each test has an engine of its own on a small disk. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeStack, type Stack, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type PrivateEngine, privateEngine } from '../rig/private-engine.ts'

const missing = withoutDocker('an engine that fails')
/** Without a network of its own, and slow to stop, so that there is a middle. */
const ON_HOST = `services:
  gateway:
    build: { network: none }
    network_mode: host
    ports: !reset []
    command: ["nc", "-ll", "-p", "PORT", "-e", "/app/serve.sh"]
    stop_grace_period: 5s
    healthcheck: { disable: true }
`

describe.skipIf(missing !== null)('an engine', () => {
  let rig: HostopsRig
  let stack: Stack
  let engine: PrivateEngine | null
  beforeAll(async () => {
    engine = await privateEngine({ megabytes: 96 })
    if (engine === null) return
    rig = hostopsRig()
    stack = await makeStack({ env: engine.env, override: ON_HOST })
  })
  afterAll(async () => {
    stack?.remove()
    await rig?.remove()
    await engine?.remove()
  })

  const playbook = (ref: string) =>
    rig.playbook(
      'upgrade',
      [
        { uses: 'git.dirty-check' },
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.build' },
        { uses: 'compose.up' },
        { uses: 'health.poll', with: { urls: [`${stack.url}/readyz`], timeout: '5s', interval: '500ms' } },
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] } },
    )

  test('without space is told as that, and the old version stays', async ctx => {
    if (engine === null) return ctx.skip()
    const [before] = stack.running()
    stack.publish('huge', {
      Dockerfile: 'FROM hostops-base:1\nRUN dd if=/dev/zero of=/big bs=1M count=200\n',
    })
    const { report, code } = await rig.run(['run', playbook('huge')], { env: engine.env })
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      errorCode: 'disk-full',
      failedStep: 'compose.build',
    })
    expect(report.rollbackVerified).toBe(true)
    expect(report.error).toContain("dd: error writing '/big'")
    expect(code).toBe(1)
    expect(stack.running()).toEqual([before])
    expect(stack.head()).toBe('v1')
  })

  test('that is gone in the middle: said so, and taken back once it is there again', async ctx => {
    if (engine === null) return ctx.skip()
    const [before] = stack.running()
    const run = rig.start(['run', playbook('v2')], { env: engine.env })
    await stack.replacing()
    await engine.kill()
    const { report, code } = await run.ended
    expect(report).toMatchObject({ outcome: 'rollback-failed', errorCode: 'engine-down', success: false })
    expect(report.rollbackError).toContain('the Docker engine does not answer')
    expect(code).toBe(5)
    await engine.start()
    const back = await rig.run(['rollback', report.runId], { env: engine.env })
    expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(stack.running()).toEqual([before])
    expect(stack.head()).toBe('v1')
  })
})
