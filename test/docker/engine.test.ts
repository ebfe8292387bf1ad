/** The engine itself fails in the middle of an upgrade; each test has an engine of its own on a small disk. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeStack, type Stack, TARGETS, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type PrivateEngine, privateEngine } from '../rig/private-engine.ts'
import { reach } from '../rig/target.ts'

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

  const playbook = (ref: string, timeout = '60s') =>
    rig.playbook(
      'upgrade',
      [
        { uses: 'git.dirty-check' },
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.build', timeout },
        { uses: 'compose.up', timeout },
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
    const run = rig.start(['run', playbook('v2', '12s')], { env: engine.env })
    await stack.replacing()
    await engine.kill()
    const { report, code } = await run.ended
    expect(report).toMatchObject({ outcome: 'rollback-failed', errorCode: 'engine-down', success: false })
    expect(report.rollbackError).toContain('the Docker engine does not answer')
    // Once in the step, once on the way back, and not in each part of that.
    const waited = (await run.ended).stderr.match(/does not answer: waiting for it/g)
    expect(waited).toHaveLength(2)
    expect(code).toBe(5)
    await engine.start()
    const back = await rig.run(['rollback', report.runId], { env: engine.env })
    expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(stack.running()).toEqual([before])
    expect(stack.head()).toBe('v1')
  })

  /** Killed at once, and there again when a package would have been replaced. */
  const restart = async () => {
    await engine!.kill()
    await new Promise(resolve => setTimeout(resolve, 6000))
    await engine!.start()
  }

  /** One upgrade leaves what the next one starts from. */
  const other = () => (stack.head() === 'v1' ? 'v2' : 'v1')

  test.for(TARGETS)(
    'that is gone for 6 s in up, on %s: the run succeeds all the same',
    async (target, ctx) => {
      if (engine === null) return ctx.skip()
      const version = other()
      const at = await reach(target, rig.folder, engine.env)
      try {
        const run = rig.start(['run', playbook(version), ...at.args], { env: at.env })
        await stack.replacing()
        await restart()
        const { report, stderr } = await run.ended
        expect(stderr).toContain('the Docker engine was away and is back')
        expect(report).toMatchObject({ outcome: 'succeeded', success: true, target })
        expect(stack.running()).toMatchObject([{ version, status: 'running' }])
        expect(stack.containers()).toHaveLength(1)
        await stack.answers()
      } finally {
        await at.stop()
      }
    },
  )

  test('that is gone for 6 s on the way back: taken back and verified, without anybody', async ctx => {
    if (engine === null) return ctx.skip()
    const [before] = stack.running()
    const head = stack.head()
    const steps = [
      { uses: 'git.checkout', with: { ref: other() } },
      { uses: 'compose.build' },
      { uses: 'compose.up' },
      {
        id: 'fail',
        script: `echo now; while [ ! -e '${rig.path('go')}' ]; do sleep 0.1; done; exit 1`,
        effect: 'read',
      },
    ]
    const defaults = { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] }
    const run = rig.start(['run', rig.playbook('back', steps, { defaults })], { env: engine.env })
    await run.until(/fail \| now/)
    await engine.kill()
    rig.write('go', '')
    await new Promise(resolve => setTimeout(resolve, 6000))
    await engine.start()
    const { report } = await run.ended
    expect(report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true, failedStep: 'fail' })
    expect(stack.running()).toEqual([before])
    expect(stack.head()).toBe(head)
    await stack.answers()
  })

  test('that is gone for 6 s while compose.wait looks: it goes on looking', async ctx => {
    if (engine === null) return ctx.skip()
    const steps = [{ uses: 'compose.wait', with: { minHealthy: '5s' } }]
    const defaults = { dir: stack.dir, files: stack.files, services: ['gateway'] }
    const run = rig.start(['run', rig.playbook('wait', steps, { defaults })], { env: engine.env })
    await run.until(/all containers run/)
    await restart()
    expect((await run.ended).report).toMatchObject({ outcome: 'succeeded' })
  })
})
