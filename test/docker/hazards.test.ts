/** What goes wrong around an upgrade on a real engine: each of these was seen to break other updaters. */
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeStack, type Stack, type Version, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'

const missing = withoutDocker('the hazards of a real stack')
/** nc as the first process ignores SIGTERM, so that replacing it takes its whole grace period. */
const SLOW_STOP =
  'services: { gateway: { command: ["nc", "-ll", "-p", "8080", "-e", "/app/serve.sh"], stop_grace_period: 4s } }\n'

describe.skipIf(missing !== null)('an upgrade', () => {
  let rig: HostopsRig
  let stack: Stack
  let env: NodeJS.ProcessEnv
  beforeEach(() => {
    rig = hostopsRig()
    env = {}
  })
  afterEach(async () => {
    stack?.remove()
    await rig.remove()
  })

  /** The playbook that ships, in short; `extra` comes between the start and the polls. */
  const playbook = (ref: Version, extra: object[] = [], timeout = '3s') =>
    rig.playbook(
      'upgrade',
      [
        { uses: 'git.dirty-check' },
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.build' },
        { uses: 'compose.up' },
        ...extra,
        {
          uses: 'health.poll',
          with: { urls: [`${stack.url}/healthz`, `${stack.url}/readyz`], timeout, interval: '500ms' },
        },
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] } },
    )
  const upgrade = (...args: Parameters<typeof playbook>) => rig.run(['run', playbook(...args)], { env })
  const version = () => stack.running().map(each => `${each.version} ${each.status}`)

  test('goes back although the base image is gone and nothing can be built', async () => {
    const base = `hostops-base-${process.pid}:1`
    stack = await makeStack({ env: { BASE: base } })
    const [before] = stack.running()
    const lose = { id: 'lose', run: ['docker', 'rmi', '-f', base], effect: 'read' }
    const { report, code } = await upgrade('v4-unhealthy', [lose])
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      failedStep: 'health.poll',
    })
    expect(code).toBe(1)
    expect(stack.running()).toEqual([before])
    const rebuilt = spawnSync('docker', ['compose', 'build', '--no-cache'], { cwd: stack.dir })
    expect(rebuilt.status).not.toBe(0)
  })

  test('that meets another run is refused, and that one goes its way', async () => {
    stack = await makeStack()
    const first = rig.start(['run', playbook('v2', [{ id: 'rest', run: ['sleep', '4'], effect: 'read' }])])
    await first.until(/rest: started/)
    const second = await upgrade('v4-unhealthy')
    expect(second.report).toMatchObject({ outcome: 'refused', errorCode: 'lock-held', changed: false })
    expect(second.code).toBe(3)
    expect((await first.ended).report.outcome).toBe('succeeded')
    expect(version()).toEqual(['v2 running'])
    expect(stack.head()).toBe('v2')
  })

  test('whose compose is killed while it replaces the container goes back', async () => {
    stack = await makeStack({ override: SLOW_STOP })
    const [before] = stack.running()
    const run = rig.start(['run', playbook('v2')])
    await stack.replacing()
    stack.killCompose()
    const { report, code, stderr } = await run.ended
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      failedStep: 'compose.up',
      errorCode: 'compose-failed',
    })
    expect(code).toBe(1)
    expect(stderr).toContain('left of an interrupted replacement')
    expect(stack.running()).toEqual([before])
    expect(stack.head()).toBe('v1')
  })

  test.each(['resume', 'rollback'] as const)('whose runner and compose are killed: %s', async verb => {
    stack = await makeStack({ override: SLOW_STOP })
    const [before] = stack.running()
    const run = rig.start(['run', playbook('v2')])
    await stack.replacing()
    run.child.kill('SIGKILL')
    stack.killCompose()
    await run.ended
    const [id] = rig.runIds()
    const refused = await upgrade('v2')
    expect(refused.report).toMatchObject({ outcome: 'refused', errorCode: 'interrupted-run' })
    const { report, code } = await rig.run([verb, id!])
    expect(stack.containers()).toHaveLength(1)
    if (verb === 'resume') {
      expect(report).toMatchObject({ outcome: 'succeeded', success: true })
      expect(code).toBe(0)
      expect(version()).toEqual(['v2 running'])
      expect(stack.head()).toBe('v2')
    } else {
      expect(report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
      expect(stack.running()).toEqual([before])
      expect(stack.head()).toBe('v1')
    }
  })

  test('that is the first deploy of all and fails leaves nothing running', async () => {
    stack = await makeStack({ start: null })
    const checked = await rig.run(['run', playbook('v5-crashloop'), '--check'])
    expect(checked.stderr).toContain('rollback: none available')
    const { report, code } = await upgrade('v5-crashloop')
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      errorCode: 'not-stable',
      services: [{ name: 'gateway', imageBefore: null, imageAfter: null, state: null }],
    })
    expect(code).toBe(1)
    expect(stack.containers()).toEqual([])
    expect((await upgrade('v1')).report.outcome).toBe('succeeded')
  })

  test('whose port is taken says which, and goes back', async () => {
    stack = await makeStack({ start: null })
    const holder = `${stack.project}-holder`
    stack.docker(
      ...['run', '-d', '--name', holder, '-p', `127.0.0.1:${stack.port}:1`],
      ...['hostops-base:1', 'sleep', '60'],
    )
    try {
      const { report } = await upgrade('v1')
      // By the version of compose a container is left of that, or none: then nothing is to be taken back.
      expect(report).toMatchObject({ errorCode: 'port-taken' })
      expect(['rolled-back', 'failed-unchanged']).toContain(report.outcome)
      expect(stack.running()).toEqual([])
      expect(report.error).toContain(`port ${stack.port}`)
    } finally {
      stack.docker('rm', '-f', holder)
    }
  })
})
