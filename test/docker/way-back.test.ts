/** A way back that no prune takes, and what happens where it is gone all the same. Each on an engine of the test's own. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeStack, ON_HOST, type Stack, TARGETS, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type PrivateEngine, privateEngine } from '../rig/private-engine.ts'
import { reach } from '../rig/target.ts'

const missing = withoutDocker('a way back that nothing takes')
const LIMIT_MS = 300_000

describe.skipIf(missing !== null)('the way back', { timeout: LIMIT_MS }, () => {
  let rig: HostopsRig
  let stack: Stack
  let engine: PrivateEngine | null
  let env: NodeJS.ProcessEnv
  beforeAll(async () => {
    engine = await privateEngine({ megabytes: 400 })
    env = engine?.env ?? {}
  }, LIMIT_MS)
  afterAll(() => engine?.remove(), LIMIT_MS)
  beforeEach(async ctx => {
    if (engine === null) return ctx.skip()
    rig = hostopsRig()
    stack = await makeStack({ env, override: ON_HOST })
  }, LIMIT_MS)
  afterEach(async () => {
    stack?.remove()
    await rig?.remove()
  }, LIMIT_MS)

  const playbook = (ref: string, more: object[] = [], up: object = {}) =>
    rig.playbook(
      'upgrade',
      [
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.build' },
        { uses: 'compose.up', with: { watch: '1s', ...up } },
        ...more,
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] } },
    )
  const run = (...args: string[]) => rig.run(args, { env })
  const upgrade = (ref: string, more: object[] = []) => run('run', playbook(ref, more))
  const thenFail = (script: string) => [{ id: 'fail', script: `${script}\nexit 1`, effect: 'read' }]
  const now = () => ({ running: stack.running(), head: stack.head() })
  const pinOf = (runId: string) => `hostops/rollback/${stack.project}-gateway:${runId}`
  /** As if somebody had removed by hand what holds it. */
  const LOSE = `docker rm -f $(docker ps -aq --filter label=hostops.holds) >&2
docker rmi $(docker image ls -q 'hostops/rollback/*' | sort -u) >&2
docker builder prune -af >&2`
  const lose = () => {
    stack.docker('rm', '-f', ...stack.holders('{{.ID}}'))
    for (const pin of stack.pins()) stack.docker('rmi', pin)
    stack.docker('builder', 'prune', '-af')
  }

  test.each(TARGETS)('is there after a prune of everything in the middle of the run, on %s', async target => {
    const before = now()
    const at = await reach(target, rig.folder, engine!.env)
    try {
      const file = playbook('v2', thenFail('docker system prune -af >&2; docker image ls >&2'))
      const { report, stderr } = await rig.run(['run', file, ...at.args], { env: at.env })
      expect(report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true, failedStep: 'fail' })
      expect(report.target).toBe(target)
      expect(report.rebuilt).toBe(undefined)
      // The prune came after the old image had lost its own name, and met the engine of the stack.
      expect(stderr).toMatch(new RegExp(`fail \\| hostops/rollback/${stack.project}-gateway `))
      expect(now()).toEqual(before)
      // Taken back and verified: nobody will ask for it again.
      expect([stack.holders(), stack.pins()]).toEqual([[], []])
    } finally {
      await at.stop()
    }
  })

  test('is there after a prune of all images behind the run; holders are no containers of the stack', async () => {
    const before = now()
    const { report } = await upgrade('v2', [
      {
        id: 'look',
        script: `docker inspect --format 'held {{.State.Status}} {{.RestartCount}}' $(docker ps -q --filter label=hostops.holds)`,
        effect: 'read',
      },
    ])
    expect(report.outcome).toBe('succeeded')
    const log = readdirSync(join(rig.state, 'runs', report.runId), { recursive: true, encoding: 'utf8' })
    expect(rig.everythingIn(`state/runs/${report.runId}`)).toContain('held running 0')
    expect(log.length).toBeGreaterThan(0)
    expect(stack.holders()).toEqual([expect.stringMatching(/^hostops-holder-.* exited$/)])
    expect(stack.compose('ps', '-a', '--format', '{{.Name}}')).toBe(`${stack.project}-gateway-1`)
    expect(stack.containers()).toHaveLength(1)
    stack.docker('image', 'prune', '-af')
    const back = await run('rollback', report.runId)
    expect(back.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    expect(now()).toEqual(before)
  })

  test('of images without anything to run, and with volumes, is held like any other', async () => {
    stack.publish('bare', {
      Dockerfile:
        'FROM hostops-base:1 AS all\nFROM scratch\nCOPY --from=all /bin/busybox /busybox\nCOPY serve.sh /app/\nVOLUME /data\nUSER 1000\nENTRYPOINT ["/busybox"]\n',
      'compose.yaml': stack.read('compose.yaml'),
    })
    stack.git('fetch', '-q')
    stack.git('checkout', '-q', '--detach', 'origin/bare')
    stack.compose('build')
    stack.compose('create', '--no-build', '--force-recreate')
    const ended = await upgrade(
      'v2',
      thenFail(
        `docker inspect --format 'held {{.State.Status}} {{len .Mounts}}' $(docker ps -q --filter label=hostops.holds)`,
      ),
    )
    expect(ended.report).toMatchObject({ outcome: 'rolled-back', rollbackError: null })
    expect(ended.stderr).toContain('held running 0')
    expect(ended.stderr).not.toContain('not held')
  })

  test('that is gone is told before anything moves, and rebuilt only when that is asked for', async () => {
    const before = now()
    const good = (await upgrade('v2')).report
    lose()
    const asked = await run('rollback', good.runId, '--check')
    expect(asked.report).toMatchObject({ errorCode: 'pin-lost', success: false })
    const doctor = await run('doctor')
    expect(doctor.stdout).toContain(`gone: ${pinOf(good.runId)}`)
    const next = await run('run', playbook('v2'))
    expect(next.stderr).toContain(`${pinOf(good.runId)} is gone`)

    const after = now()
    const journal = () => rig.read(`state/runs/${good.runId}/report.json`)
    const told = journal()
    const refused = await run('rollback', good.runId)
    expect(refused.report).toMatchObject({ outcome: 'refused', errorCode: 'pin-lost' })
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain(`hostops rollback ${good.runId} --rebuild`)
    expect(now()).toEqual(after)
    expect(journal()).toBe(told)

    const back = await run('rollback', good.runId, '--rebuild')
    expect(back.report).toMatchObject({
      outcome: 'rollback-failed',
      rollbackVerified: false,
      rebuilt: true,
      beforeSha: good.beforeSha,
    })
    expect(back.report.rollbackError).toContain('the old version of gateway runs again, but was rebuilt')
    expect(back.code).toBe(5)
    expect(now()).toMatchObject({ head: before.head, running: [{ version: 'v1', status: 'running' }] })
    expect(stack.running()[0]?.image).not.toBe(before.running[0]?.image)
    await stack.answers()
  })

  test('that is gone when it is needed is rebuilt at once, and never passed off as the kept image', async () => {
    const { report } = await upgrade('v2', thenFail(LOSE))
    expect(report).toMatchObject({ outcome: 'rollback-failed', rollbackVerified: false, rebuilt: true })
    expect(report.rollbackError).toContain('was rebuilt from the old commit')
    expect(now()).toMatchObject({ head: 'v1', running: [{ version: 'v1', status: 'running' }] })
    await stack.answers()
  })

  test('goes where the state folder is, and with the stack that is gone', async () => {
    await upgrade('v2')
    const kept = join(rig.state, 'rollback')
    expect(readdirSync(kept)).toHaveLength(1)
    expect(existsSync(rig.path('.local'))).toBe(false)
    const other = await makeStack({ env, override: ON_HOST })
    try {
      stack.compose('down', '-t', '0')
      rmSync(stack.dir, { recursive: true })
      const defaults = { repo: other.dir, dir: other.dir, files: other.files, services: ['gateway'] }
      const steps = [
        { uses: 'git.checkout', with: { ref: 'v2' } },
        { uses: 'compose.build' },
        { uses: 'compose.up' },
      ]
      expect((await run('run', rig.playbook('other', steps, { defaults }))).report.outcome).toBe('succeeded')
      expect(readdirSync(kept)).toHaveLength(1)
      const names = (what: string, ...args: string[]) => other.docker(what, ...args, '--format', '{{.Names}}')
      expect(names('ps', '-a', '--filter', `label=hostops.project=${stack.project}`)).toBe('')
      expect(other.docker('image', 'ls', '-q', `hostops/rollback/${stack.project}-gateway`)).toBe('')
    } finally {
      other.remove()
    }
  })
})

describe.skipIf(missing !== null)('an engine without docker-init', { timeout: LIMIT_MS }, () => {
  test('is told once, and ends no run', async ctx => {
    const engine = await privateEngine({ megabytes: 200, args: ['--init-path', '/nowhere'] })
    if (engine === null) return ctx.skip()
    const rig = hostopsRig()
    const stack = await makeStack({ env: engine.env, override: ON_HOST })
    try {
      const defaults = { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] }
      const steps = [
        { uses: 'git.checkout', with: { ref: 'v2' } },
        { uses: 'compose.build' },
        { uses: 'compose.up' },
      ]
      const { report, stderr } = await rig.run(['run', rig.playbook('up', steps, { defaults })], {
        env: engine.env,
      })
      expect(report.outcome).toBe('succeeded')
      expect(stderr.match(/not held against docker system prune/g)).toHaveLength(1)
      stack.docker('image', 'prune', '-af')
      expect(stack.pins()).toHaveLength(1)
    } finally {
      stack.remove()
      await rig.remove()
      await engine.remove()
    }
  })
})
