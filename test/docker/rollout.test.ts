/** `compose.rollout` on a real engine behind a real nginx, asked all the time: no request may fail, whatever the version does. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startDaemonRig } from '../rig/daemon.ts'
import { freePort, TARGETS, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import {
  COMPOSE,
  type Kind,
  makeCaddyImage,
  type RolloutStack,
  rolloutStack,
  versionOf,
  withoutProxies,
} from '../rig/rollout-stack.ts'

const missing = withoutDocker('rollouts') ?? withoutProxies()
const EXAMPLE = fileURLToPath(new URL('../../examples/rollout.yaml', import.meta.url))
const LIMIT_MS = 240_000

describe.skipIf(missing !== null)('compose.rollout', { timeout: LIMIT_MS }, () => {
  let rig: HostopsRig
  let stack: RolloutStack
  beforeEach(() => {
    rig = hostopsRig()
  })
  afterEach(async () => {
    stack?.remove()
    await rig.remove()
  }, LIMIT_MS)

  const env = () => ({ PATH: stack.path })
  const inputs = (ref: string, more: object = {}) =>
    Object.entries({
      repo: stack.dir,
      ref,
      url: `${stack.url}/readyz`,
      nginx: stack.nginx,
      switch: stack.program,
      for: '4s',
      drain: '1s',
      ...more,
    }).flatMap(([key, value]) => ['-i', `${key}=${value}`])
  const run = (...args: string[]) => rig.run(args, { env: env() })
  const upgrade = (ref: string) => run('run', EXAMPLE, ...inputs(ref))
  /** The steps of the example with others behind them, or another rollout. */
  const playbook = (ref: string, more: object[] = [], rollout: object = {}) =>
    rig.playbook(
      'own',
      [
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.build' },
        {
          uses: 'compose.rollout',
          with: { switch: [stack.program, stack.nginx], for: '1s', drain: '1s', ...rollout },
        },
        ...more,
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, services: ['web'] } },
    )
  const now = () => ({
    head: stack.head(),
    ids: stack.ids(),
    image: stack.imageId('web'),
    compose: stack.read('compose.yaml'),
  })
  const only = (...answers: string[]) => ({
    failed: [],
    answers: Object.fromEntries(answers.map(each => [each, expect.any(Number)])),
  })

  test('a good version takes the place of the old one; the same again changes nothing; rolled back by hand', async () => {
    stack = await rolloutStack()
    stack.release('v2', versionOf('v2'))
    const before = now()
    const { result: good, counts } = await stack.askedDuring(() => upgrade('v2'))
    expect(good.report, good.stderr).toMatchObject({ outcome: 'succeeded', success: true, changed: true })
    expect(good.report).toMatchObject({ readyz: true })
    expect(good.report.services).toMatchObject([{ name: 'web', replicas: 1, restarts: 0, changed: true }])
    expect(counts).toMatchObject(only('v1', 'v2'))
    expect(stack.containers()).toEqual([expect.stringMatching(/^web-2 .* web running$/)])
    expect([stack.read('version').trim(), await stack.version()]).toEqual(['v2', 'v2'])

    const after = now()
    const again = await upgrade('v2')
    expect(again.report, again.stderr).toMatchObject({ outcome: 'unchanged', changed: false })
    expect(now()).toEqual(after)

    const back = await stack.askedDuring(() => run('rollback', good.report.runId))
    expect(back.result.report, back.result.stderr).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
    })
    expect(back.counts).toMatchObject(only('v1', 'v2'))
    expect(stack.containers()).toEqual([expect.stringMatching(/^web-3 .* web running$/)])
    expect(now()).toMatchObject({ head: before.head, image: before.image, compose: before.compose })
  })

  test.each<[Kind, string, RegExp]>([
    ['crash', 'not-stable', /exit code 3/],
    ['unhealthy', 'not-stable', /unhealthy/],
    ['late crash', 'not-stable', /exit code 4/],
  ])('a version of kind %s goes, and the old container was never touched', async (kind, errorCode, why) => {
    stack = await rolloutStack()
    stack.release('v2', versionOf('v2', kind))
    const before = now()
    const { result, counts } = await stack.askedDuring(() => upgrade('v2'))
    expect(result.report, result.stderr).toMatchObject({
      ...{ outcome: 'rolled-back', rollbackVerified: true, rollbackError: null, errorCode },
      failedStep: 'compose.rollout',
      failedService: { name: 'web' },
    })
    expect(result.report.error).toMatch(why)
    // What it said last was kept before it was removed.
    if (kind !== 'unhealthy') expect(result.report.logsTail).toContain('panic: out of')
    expect(counts).toMatchObject(only('v1'))
    expect(now()).toEqual(before)
    expect(stack.containers()).toEqual([expect.stringMatching(/^web-1 .* running$/)])
    // The traffic had not moved, so it was not moved back either.
    expect(stack.wasSwitched()).toBe(false)
  })

  test('a switch that fails is switched back, and both go as they came', async () => {
    stack = await rolloutStack()
    stack.release('v2', versionOf('v2'))
    const before = now()
    // Half of the work is done when it fails.
    writeFileSync(
      join(stack.nginx, 'once'),
      `#!/bin/sh\n"$@" || exit\n[ -e ${stack.nginx}/failed ] || { touch ${stack.nginx}/failed; echo "no more workers" >&2; exit 9; }\n`,
      { mode: 0o755 },
    )
    const once = playbook('v2', [], { switch: [`${stack.nginx}/once`, stack.program, stack.nginx] })
    const { result, counts } = await stack.askedDuring(() => run('run', once))
    expect(result.report, result.stderr).toMatchObject({
      ...{ outcome: 'rolled-back', rollbackVerified: true, errorCode: 'command-failed' },
      failedStep: 'compose.rollout',
    })
    expect(counts.failed).toEqual([])
    expect(now()).toEqual(before)
    expect(await stack.version()).toBe('v1')
  })

  test('where the switch cannot be undone, nothing that may be serving is removed', async () => {
    stack = await rolloutStack()
    stack.release('v2', versionOf('v2'))
    const never = playbook('v2', [], { switch: ['false'] })
    const { result, counts } = await stack.askedDuring(() => run('run', never))
    expect(result.report, result.stderr).toMatchObject({
      outcome: 'rollback-failed',
      rollbackVerified: false,
    })
    expect(result.code).toBe(5)
    expect(counts).toMatchObject(only('v1'))
    expect(stack.containers()).toHaveLength(2)
  })

  test('a later step that fails brings the old version back beside the new one, through hostlink as well', async () => {
    stack = await rolloutStack()
    const target = TARGETS.at(-1)!
    const daemon = await startDaemonRig({ env: { HOME: rig.folder, PATH: stack.path } })
    try {
      const link = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
      stack.release('v2', versionOf('v2'))
      const before = now()
      const file = playbook('v2', [{ id: 'smoke', run: ['false'], effect: 'read' }])
      const { result, counts } = await stack.askedDuring(() =>
        rig.run(['run', file, '--target', target], { env: { ...env(), ...link } }),
      )
      expect(result.report, result.stderr).toMatchObject({
        ...{ outcome: 'rolled-back', rollbackVerified: true, failedStep: 'smoke', target },
      })
      expect(counts).toMatchObject(only('v1', 'v2'))
      expect(now()).toMatchObject({ head: before.head, image: before.image })
      expect(stack.containers()).toEqual([expect.stringMatching(/^web-3 .* running$/)])
    } finally {
      await daemon.stop()
    }
  })

  test('a version that crashes while the old one drains is switched back', async () => {
    stack = await rolloutStack()
    stack.release('v2', { ...versionOf('v2'), start: 'httpd -p 8080 -h /www; sleep 6; exit 4\n' })
    const before = now()
    const long = playbook('v2', [], { for: '1s', drain: '20s' })
    const { result } = await stack.askedDuring(() => run('run', long))
    expect(result.report, result.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(result.report.error).toMatch(/exit code 4/)
    expect(now()).toEqual(before)
    expect(await stack.version()).toBe('v1')
  })

  const STANDS = /Container \S+-web-2\s+Started/
  const DRAINS = /web-2 in the place of \S+web-1/
  const GOES = /removed: \S+web-1/
  test.each<[string, 'resume' | 'rollback', RegExp]>([
    ['the new version stands', 'resume', STANDS],
    ['the old one is removed', 'resume', GOES],
    ['the old one drains', 'rollback', DRAINS],
  ])('killed while %s: %s ends with one version alone', async (_when, verb, line) => {
    // It takes 2 s to stop, so that there is time to die in.
    stack = await rolloutStack({ grace: 2 })
    stack.release('v2', versionOf('v2'))
    const before = now()
    const file = playbook('v2')
    const { result, counts } = await stack.askedDuring(async () => {
      const started = rig.start(['run', file, '--run-id', 'r'], { env: env() })
      await started.until(line)
      started.child.kill('SIGKILL')
      await started.ended
      return run(verb, 'r')
    })
    const [version, outcome] = verb === 'resume' ? ['v2', 'succeeded'] : ['v1', 'rolled-back']
    expect(result.report, result.stderr).toMatchObject({ outcome })
    expect(counts.failed).toEqual([])
    expect(stack.containers()).toEqual([expect.stringMatching(/ web running$/)])
    expect([stack.read('version').trim(), await stack.version()]).toEqual([version, version])
    if (verb === 'rollback') expect(now()).toMatchObject({ head: before.head, image: before.image })
  })

  test('only the new version is judged: an old one that is unhealthy is no obstacle', async () => {
    stack = await rolloutStack({ kind: 'unhealthy' })
    stack.release('v2', versionOf('v2'))
    const { result, counts } = await stack.askedDuring(() => run('run', playbook('v2')))
    expect(result.report, result.stderr).toMatchObject({ outcome: 'succeeded' })
    expect(counts).toMatchObject(only('v1', 'v2'))
    expect(await stack.version()).toBe('v2')
  })

  test('Caddy finds the containers by the DNS name of the service, without a switch', async () => {
    makeCaddyImage()
    stack = await rolloutStack({ caddy: true, grace: 1 })
    const roll = async (ref: string) => {
      const file = playbook(ref, [], { switch: undefined, drain: '5s' })
      return stack.askedDuring(() => run('run', file))
    }
    stack.release('v2', versionOf('v2', 'good', 1))
    const { result, counts } = await roll('v2')
    expect(result.report, result.stderr).toMatchObject({ outcome: 'succeeded' })
    expect(counts).toMatchObject(only('v1', 'v2'))
    stack.release('v3', versionOf('v3', 'crash'))
    const before = now()
    const bad = await roll('v3')
    expect(bad.result.report, bad.result.stderr).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
    })
    expect(bad.counts).toMatchObject(only('v2'))
    expect(now()).toEqual(before)
    const back = await stack.askedDuring(() => run('rollback', result.report.runId))
    expect(back.result.report, back.result.stderr).toMatchObject({ outcome: 'rolled-back' })
    expect(back.counts).toMatchObject(only('v1', 'v2'))
  })

  test('two replicas: two beside two, all of them before any goes', async () => {
    stack = await rolloutStack({ compose: COMPOSE.replace('restart:', 'scale: 2\n    restart:') })
    expect(stack.containers()).toHaveLength(2)
    stack.release('v2', versionOf('v2'))
    stack.release('v3', versionOf('v3', 'late crash'))
    const { result, counts } = await stack.askedDuring(() => upgrade('v2'))
    expect(result.report, result.stderr).toMatchObject({ outcome: 'succeeded' })
    expect(result.report.services).toMatchObject([{ name: 'web', replicas: 2 }])
    expect(counts).toMatchObject(only('v1', 'v2'))
    expect(stack.containers().map(line => line.split(' ')[0])).toEqual(['web-3', 'web-4'])
    expect(stack.upstream().match(/server/g)).toHaveLength(2)

    const before = now()
    const bad = await stack.askedDuring(() => upgrade('v3'))
    expect(bad.result.report, bad.result.stderr).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
    })
    expect(bad.counts).toMatchObject(only('v2'))
    expect(now()).toEqual(before)
  })

  test('what it depends on is brought up first, and what ends on its own has run once by then', async () => {
    const more = `
    environment: { VERSION: v1 }
    depends_on:
      migrate: { condition: service_completed_successfully }
      cache: { condition: service_started }
  migrate:
    image: hostops-base:1
    command: [sh, -c, "echo v1 >>/log/migrations"]
    volumes: ["./log:/log"]
  cache:
    image: hostops-base:1
    command: [sleep, "1000"]
    environment: { VERSION: v1 }
    stop_grace_period: 0s
`
    const compose = COMPOSE.trimEnd() + more
    stack = await rolloutStack({ compose })
    const migrations = () => readFileSync(join(stack.dir, 'log/migrations'), 'utf8').trim().split('\n')
    stack.release('v2', { ...versionOf('v2'), 'compose.yaml': compose.replaceAll('v1', 'v2') })
    const before = now()
    const failing = playbook('v2', [
      { id: 'smoke', script: 'cat log/migrations; exit 1', effect: 'read', cwd: stack.dir },
    ])
    const { result, counts } = await stack.askedDuring(() => run('run', failing))
    expect(result.stderr).toMatch(/smoke \| v1\n.*smoke \| v2\n(?!.*smoke \|)/)
    expect(result.report, result.stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(counts).toMatchObject(only('v1', 'v2'))
    expect(now()).toMatchObject({ head: before.head, image: before.image })
    expect(migrations()).toEqual(['v1', 'v2', 'v1'])
    expect(stack.containers()).toMatchObject([
      expect.stringMatching(/^cache-1 .* running$/),
      expect.stringMatching(/^migrate-1 .* exited$/),
      expect.stringMatching(/^web-\d .* running$/),
    ])
  })

  test('what cannot run twice is refused before anything happens, and told all of it', async () => {
    const port = await freePort()
    const fixed = `ports: ["127.0.0.1:${port}:8080"]
    container_name: hostops-fixed-${process.pid}
    volumes: [/data]
    restart:`
    stack = await rolloutStack({ compose: COMPOSE.replace('restart:', fixed) })
    stack.release('v2', versionOf('v2'))
    const before = now()
    for (const args of [['--check'], []]) {
      const { report, code, stderr } = await run('run', EXAMPLE, ...inputs('v2'), ...args)
      expect(report, stderr).toMatchObject({
        ...{ outcome: 'refused', errorCode: 'cannot-run-twice', changed: false },
      })
      expect(report.error).toContain(`web publishes port ${port} of the host`)
      expect(report.error).toContain(`web has the fixed name hostops-fixed-${process.pid}`)
      expect(report.error).toContain('web has data in a volume without a name at /data')
      expect(stderr).toContain('use compose.up')
      expect(code).toBe(3)
    }
    expect(now()).toEqual(before)
  })

  test('a version that brings a fixed port is refused before anything of it starts', async () => {
    stack = await rolloutStack()
    stack.release('v2', {
      ...versionOf('v2'),
      'compose.yaml': COMPOSE.replace('restart:', 'ports: ["127.0.0.1:8099:8080"]\n    restart:'),
    })
    const before = now()
    const { result, counts } = await stack.askedDuring(() => upgrade('v2'))
    expect(result.report, result.stderr).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      errorCode: 'cannot-run-twice',
    })
    expect(counts).toMatchObject(only('v1'))
    expect(now()).toEqual(before)
  })
})
