/** What goes wrong around an upgrade on a real engine: each of these was seen to break other updaters. */
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeStack, type Stack, type Version, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { seeded } from '../rig/seeded.ts'

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
  const playbook = (
    ref: Version,
    extra: object[] = [],
    timeout = '3s',
    up: object = { watch: '2s' },
    poll: object = {},
  ) =>
    rig.playbook(
      'upgrade',
      [
        { uses: 'git.dirty-check' },
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.build' },
        { uses: 'compose.up', with: up },
        ...extra,
        {
          uses: 'health.poll',
          with: {
            urls: [`${stack.url}/healthz`, `${stack.url}/readyz`],
            timeout,
            interval: '500ms',
            ...poll,
          },
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
    expect(stack.killCompose()).toBe(true)
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
    expect(stack.killCompose()).toBe(true)
    await run.ended
    const [id] = rig.runIds()
    const refused = await upgrade('v2')
    expect(refused.report).toMatchObject({ outcome: 'refused', errorCode: 'interrupted-run' })
    const { report, code } = await rig.run([verb, id!])
    expect(stack.containers()).toHaveLength(1)
    // None where the old container was never stopped; absent it would be unknown.
    expect(report.downtimeSeconds).toEqual(expect.any(Number))
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

  test('whose compose is killed at any moment, time after time, ends repaired or named', {
    timeout: 180_000,
  }, async () => {
    stack = await makeStack({ override: SLOW_STOP.replace('4s', '1s') })
    const random = seeded(22)
    const seen: string[] = []
    // On a busy machine compose has not begun when it is killed: then it takes more rounds until one is taken back.
    for (let round = 0; round < 5 || (round < 10 && !seen.includes('rolled-back')); round += 1) {
      const [before] = stack.running()
      const head = stack.head()
      const other = head === 'v1' ? 'v2' : 'v1'
      const run = rig.start(['run', playbook(other, [], '10s', { watch: '0s' })])
      await run.until(/compose\.up: started/)
      await new Promise(resolve => setTimeout(resolve, 100 + 1800 * random()))
      const killed = stack.killCompose()
      const { report, stderr } = await run.ended
      seen.push(`${report.outcome}${killed ? '' : ', compose was done'}`)
      const told = `round ${round}, killed: ${killed}\n${stderr}`
      expect(stack.inspect('{{.Name}}', ...stack.containers()), told).toBe(`/${stack.project}-gateway-1`)
      if (report.outcome === 'succeeded') {
        expect(version(), told).toEqual([`${other} running`])
        expect(stack.head(), told).toBe(other)
      } else {
        expect(report, told).toMatchObject({ rollbackVerified: true, failedStep: 'compose.up' })
        expect(['rolled-back', 'failed-unchanged'], told).toContain(report.outcome)
        expect(stack.running(), told).toEqual([before])
        expect(stack.head(), told).toBe(head)
      }
      expect(stack.clean(), told).toBe(true)
    }
    // Otherwise it was about nothing.
    expect(seen).toContain('rolled-back')
  })

  test('whose way back is killed too says what remains, and the next one finishes it', async () => {
    stack = await makeStack({ override: SLOW_STOP })
    const [before] = stack.running()
    const run = rig.start(['run', playbook('v4-unhealthy', [], '6s')])
    await run.until(/rollback: reactivate compose\.up$/m)
    await stack.replacing()
    expect(stack.killCompose()).toBe(true)
    const { report, code } = await run.ended
    expect(report).toMatchObject({ outcome: 'rollback-failed', success: false, rollbackVerified: false })
    expect(report.rollbackError).toContain('compose.up')
    expect(code).toBe(5)
    const again = await rig.run(['rollback', report.runId])
    expect(again.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    // Nothing answered when it began: that is told, and not taken for no downtime.
    expect(again.report.downtimeSeconds).toBeGreaterThan(0)
    expect(stack.containers()).toHaveLength(1)
    expect(stack.running()).toEqual([before])
  })

  test('that Docker calls unhealthy is not polled until the time is over', async () => {
    stack = await makeStack()
    const before = stack.running()
    const { report } = await upgrade('v4-unhealthy', [], '120s', {})
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      failedStep: 'health.poll',
      errorCode: 'not-stable',
      readyz: false,
      failedService: { name: 'gateway', health: expect.stringContaining('unhealthy') },
    })
    expect(report.watchedSeconds).toBeLessThan(30)
    expect(stack.running()).toEqual(before)
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
