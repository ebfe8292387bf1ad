/** The compose kinds on a real engine. Skipped, loudly, where none answers. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { composeBuild } from '../../src/steps/compose/build.ts'
import { composeExec } from '../../src/steps/compose/exec.ts'
import { composeLogs } from '../../src/steps/compose/logs.ts'
import { composePs } from '../../src/steps/compose/ps.ts'
import { composeUp } from '../../src/steps/compose/up.ts'
import { composeWait } from '../../src/steps/compose/wait.ts'
import { fails } from '../rig/checkout.ts'
import { withoutDocker } from '../rig/docker.ts'
import { freePort } from '../rig/service.ts'
import { type Rig, stepContext } from '../rig/step-context.ts'

const answers = (port: number) =>
  new Promise<boolean>(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(path => existsSync(path))
const missing = withoutDocker('the compose steps on a real engine')

describe.skipIf(missing !== null)('on a real engine', () => {
  const project = `hopstest${process.pid}`
  let dir: string
  let ctx: Rig
  const docker = (...args: string[]) =>
    execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  const stack = (more: object = {}) => ({ dir, project, ...more })
  const write = (version: string, service: string, more = '') => {
    writeFileSync(join(dir, 'VERSION'), version)
    writeFileSync(
      join(dir, 'compose.yaml'),
      `services:\n  app:\n    build: .\n    stop_grace_period: 0s\n${service}${more}`,
    )
  }
  const run = (line: string) => `    command: ["busybox", "sh", "-c", ${JSON.stringify(line)}]\n`

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hostops-compose-'))
    ctx = stepContext({ timeoutMs: 120_000, jobsFolder: join(dir, '.jobs') })
    writeFileSync(
      join(dir, 'Dockerfile'),
      `FROM scratch\nLABEL hostops.test=${project}\nCOPY busybox /bin/busybox\nCOPY VERSION /VERSION\nENV PATH=/bin\n`,
    )
    execFileSync('cp', [busybox!, join(dir, 'busybox')])
    write('1', run('echo hello; exec busybox sleep 1000'))
  })
  afterEach(() => {
    spawnSync(
      'docker',
      ['compose', '-p', project, '--project-directory', dir, 'down', '-t', '0', '-v', '--remove-orphans'],
      { cwd: dir },
    )
    const left = docker('image', 'ls', '-q', '--filter', `label=hostops.test=${project}`)
    for (const image of new Set(left.split('\n').filter(Boolean))) docker('rmi', '-f', image)
    rmSync(dir, { recursive: true, force: true })
  })

  const build = (more: object = {}) =>
    composeBuild.act.run(ctx, composeBuild.schema().parse(stack(more)), null)
  const up = (more: object = {}) =>
    composeUp.act.run(ctx, composeUp.schema().parse(stack({ for: '1s', ...more })), null)
  const wait = (more: object = {}) =>
    composeWait.act.run(
      ctx,
      composeWait.schema().parse(stack({ for: '2s', timeout: '30s', interval: '200ms', ...more })),
      null,
    )

  test('a good version stands, and an upgrade goes back without a build', async () => {
    await build()
    expect(await up()).toMatchObject({ changed: true })
    expect(await wait()).toMatchObject({
      outputs: { containers: [{ service: 'app', status: 'running', restarts: 0 }] },
    })
    expect(await up()).toMatchObject({ changed: false })
    const old = docker('inspect', '--format', '{{.Image}}', `${project}-app-1`)

    const buildInput = composeBuild.schema().parse(stack())
    const upInput = composeUp.schema().parse(stack())
    const images = await composeBuild.act.snapshot!(ctx, buildInput)
    const containers = await composeUp.act.snapshot!(ctx, upInput)
    write('2', run('echo hello two; exec busybox sleep 1000'))
    expect(await composeBuild.act.run(ctx, buildInput, images)).toMatchObject({
      changed: true,
      facts: { composeRebuilt: true },
    })
    await composeUp.act.run(ctx, upInput, containers)
    expect(docker('inspect', '--format', '{{.Image}}', `${project}-app-1`)).not.toBe(old)
    await fails(composeUp.undo!.verify!(ctx, upInput, containers), {
      code: 'images-differ',
      services: ['app'],
    })
    // Without the pin the old image would be untagged now, and the next prune would take it.
    expect(docker('image', 'inspect', '--format', '{{.RepoTags}}', old)).toBe(`[${images.images[0]!.pin}]`)

    write('1', run('echo hello; exec busybox sleep 1000'))
    expect(await composeUp.undo!.restore!(ctx, upInput, containers)).toMatchObject({ changed: true })
    expect(await composeBuild.undo!.restore!(ctx, buildInput, images)).toMatchObject({ changed: false })
    await composeUp.undo!.reactivate!(ctx, upInput, containers)
    await composeUp.undo!.verify!(ctx, upInput, containers)
    expect(docker('inspect', '--format', '{{.Image}}', `${project}-app-1`)).toBe(old)

    const [kept] = images.images
    docker('rmi', kept!.pin!)
    expect(await composeBuild.undo!.rehearse!(ctx, buildInput, images)).toMatchObject([
      { failure: { code: 'pin-lost', pins: [kept!.pin] } },
    ])
    // The name still means it, so that nothing has to be built again.
    expect(await composeBuild.undo!.reactivate!(ctx, buildInput, images)).toEqual({ changed: false })
  })

  test('the port of a container that replaces another opens in silence, so that no question meets it without a network', async () => {
    const port = await freePort()
    write('1', `${run('exec busybox nc -ll -p 80 -e busybox true')}    ports: ["127.0.0.1:${port}:80"]\n`)
    await build()
    const openedHeld: boolean[] = []
    let open = false
    let over = false
    const watching = (async () => {
      for (; !over; await new Promise(resolve => setTimeout(resolve, 2))) {
        const held = ctx.held().over !== null
        const now = await answers(port)
        // Asked before the look: a silence that begins only then comes too late.
        if (now && !open) openedHeld.push(held)
        open = now
      }
    })()
    for (const forceRecreate of [false, true, true]) await up({ forceRecreate, for: '0s' })
    over = true
    await watching
    expect(openedHeld).toEqual([false, true, true])
    expect(ctx.held()).toEqual({ times: 2, over: null })
  })

  test('a build that fails is told with its last lines', async () => {
    writeFileSync(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY nothing-there /x\n')
    await fails(build(), {
      code: 'compose-failed',
      verb: 'build',
      dir,
      tail: expect.stringContaining('nothing-there'),
    })
  })

  test('a crash loop is found out at once although up was content', async () => {
    write('1', run('echo panic: no setting; exit 3'), '    restart: always\n')
    await build()
    const loop = {
      code: 'not-stable',
      services: ['app'],
      detail: expect.stringMatching(/ended with exit code 3|restarted.*exit code 3/),
      tail: expect.stringContaining('panic: no setting'),
    }
    await fails(up(), loop)
    await up({ for: '0s', forceRecreate: true })
    await fails(wait({ timeout: '60s' }), {
      code: 'not-stable',
      services: ['app'],
      detail: expect.stringMatching(/ended with exit code 3|restarted.*exit code 3/),
      tail: expect.stringContaining('panic: no setting'),
    })
  })

  test('an end without a restart policy is found out at once, a one-shot service is none', async () => {
    write('1', run('echo done; exit 0'), '    restart: "no"\n')
    await build()
    await up()
    await fails(wait(), { code: 'not-stable', detail: expect.stringContaining('exit code 0') })
    await wait({ oneShot: ['app'] })
    expect(await composePs.act.run(ctx, composePs.schema().parse(stack()), null)).toMatchObject({
      outputs: { running: 0, containers: [{ status: 'exited', exitCode: 0 }] },
    })
  })

  test('a service that never gets healthy is told with what its health check said', async () => {
    const check =
      '    healthcheck: { test: ["CMD", "busybox", "sh", "-c", "echo no database; exit 1"], interval: 500ms, retries: 1 }\n'
    write('1', run('exec busybox sleep 1000'), check)
    await build()
    await up({ for: '0s' })
    await fails(wait({ timeout: '3s' }), {
      code: 'not-stable',
      detail: expect.stringContaining('unhealthy: no database'),
    })
  })

  test('a service without a container is not stable', async () => {
    await build()
    await fails(wait({ timeout: '1s' }), { code: 'not-stable', detail: '0 of 1 containers are there' })
  })

  test('exec, logs and a service that is not there', async () => {
    await build()
    await up()
    const exec = composeExec
      .schema()
      .parse(stack({ service: 'app', argv: ['busybox', 'cat', '/VERSION'], effect: 'read' }))
    expect(await composeExec.act.run(ctx, exec, null)).toMatchObject({
      changed: false,
      outputs: { stdout: '1' },
    })
    const logs = composeLogs.schema().parse(stack({ services: ['app'] }))
    expect((await composeLogs.act.run(ctx, logs, null)).outputs?.['text']).toContain('hello')
    const evidence = await composeUp.look!.evidence!(ctx, composeUp.schema().parse(stack()), null, {
      code: 'run-timeout',
      timeoutMs: 1,
    })
    expect(evidence.map(each => each.name)).toEqual(['containers', 'logs'])
    await fails(up({ services: ['nope'] }), {
      code: 'service-unknown',
      services: ['nope'],
    })
    await fails(build({ services: ['nope'] }), { code: 'service-unknown', services: ['nope'] })
  })

  test('an engine that does not answer, and files that are wrong', async () => {
    const down = stepContext({
      jobsFolder: join(dir, '.jobs'),
      env: { DOCKER_HOST: `unix://${dir}/nothing.sock` },
      // As long as it waits for the engine.
      timeoutMs: 4000,
    })
    await fails(composeUp.act.run(down, composeUp.schema().parse(stack()), null), { code: 'engine-down' })
    writeFileSync(join(dir, 'compose.yaml'), 'services: [')
    await fails(up(), { code: 'compose-file-invalid' })
    rmSync(join(dir, 'compose.yaml'))
    await fails(up(), { code: 'compose-file-missing' })
  })
})
