/** The examples for Compose stacks on a real engine, and the compose files beside them as compose itself reads them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { freePort, makeBaseImage, makeStack, type Stack, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { SHAPES } from '../rig/openclaw-stack.ts'
import { startRegistry } from '../rig/registry.ts'

const at = (name: string) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))
const missing = withoutDocker('the examples for Compose stacks')

describe.skipIf(missing !== null)('the example', () => {
  let rig: HostopsRig
  let stack: Stack
  beforeEach(async () => {
    rig = hostopsRig()
    stack = await makeStack()
  })
  afterEach(async () => {
    stack.remove()
    await rig.remove()
  })
  const migrate = (ref: string, program: string) => {
    const inputs = { repo: stack.dir, ref, service: 'gateway', migrate: program, url: `${stack.url}/readyz` }
    const given = Object.entries(inputs).flatMap(([key, value]) => ['-i', `${key}=${value}`])
    return rig.run(['run', at('compose-migration.yaml'), ...given])
  }

  test('compose-migration: before the migration all is taken back, behind it nothing', async () => {
    const before = stack.running()
    const early = await migrate('v2', '/bin/false-there')
    expect(early.report).toMatchObject({ failedStep: 'migrate' })
    // Begun is begun: what a migration that failed has done is not known.
    expect(early.report).toMatchObject({ outcome: 'rollback-failed', success: false })
    expect(early.report.rollbackError).toContain('migrate cannot be taken back')
    expect(stack.running()).toEqual(before)
    const broken = await migrate('v3-broken', '/bin/true')
    expect(broken.report).toMatchObject({ outcome: 'rolled-back', failedStep: 'compose.build' })
    const done = await migrate('v2', '/bin/true')
    expect(done.report).toMatchObject({ outcome: 'succeeded', success: true })
    expect(stack.running()).toMatchObject([{ version: 'v2' }])
    const late = await migrate('v5-crashloop', '/bin/true')
    expect(late.report).toMatchObject({ outcome: 'rollback-failed', failedStep: 'compose.up' })
    expect(late.code).toBe(5)
    expect(late.report.rollbackError).toContain('migrate cannot be taken back')
  })
})

describe.skipIf(missing !== null)('the stack of the example', () => {
  let rig: HostopsRig
  let dir: string
  let project: string
  const cleanUps: (() => unknown)[] = []
  const docker = (...args: string[]) =>
    execFileSync('docker', args, { encoding: 'utf8', cwd: dir, stdio: 'pipe' }).trim()
  const image = (service: string) => docker('inspect', '--format', '{{.Image}}', `${project}-${service}-1`)
  beforeAll(makeBaseImage)
  beforeEach(() => {
    rig = hostopsRig()
    dir = rig.path('stack')
    mkdirSync(dir)
    project = rig.folder.split('/').at(-1)!.toLowerCase()
  })
  afterEach(async () => {
    try {
      docker('compose', 'down', '-t', '0', '-v')
      const held = docker('ps', '-aq', '--filter', `label=hostops.project=${project}`).split('\n')
      for (const id of held.filter(Boolean)) docker('rm', '-f', '-v', id)
      const all = docker('image', 'ls', '--no-trunc', '--format', '{{.ID}} {{.Repository}}').split('\n')
      const ours = all.filter(line => line.includes(project)).map(line => line.split(' ')[0]!)
      if (ours.length > 0) docker('rmi', '-f', ...new Set(ours))
      for (const clean of cleanUps.splice(0)) await clean()
    } finally {
      await rig.remove()
    }
  })

  test.each([
    ['minimal', []],
    ['database', []],
    ...SHAPES.map(shape => [`openclaw-${shape}`, ['--env-file', '.env.example']] as const),
  ] as const)('%s is what compose understands', (name, options) => {
    const services = execFileSync('docker', ['compose', ...options, 'config', '--services'], {
      cwd: at(`stacks/${name}`),
      encoding: 'utf8',
    })
    writeFileSync(join(dir, 'compose.yaml'), 'services: {}\n')
    expect(services).not.toBe('')
  })

  test('openclaw-dockerfile is what compose understands with the extra file, too', () => {
    const files = ['docker-compose.yml', 'docker-compose.extra.yml.example'].flatMap(file => ['-f', file])
    const argv = ['compose', '--env-file', '.env.example', ...files, 'config', '--volumes']
    writeFileSync(join(dir, 'compose.yaml'), 'services: {}\n')
    expect(execFileSync('docker', argv, { cwd: at('stacks/openclaw-dockerfile'), encoding: 'utf8' })).toBe(
      'openclaw-home\n',
    )
  })

  test('minimal is pulled and started, and goes back when the registry is gone', {
    timeout: 180_000,
  }, async () => {
    const registry = await startRegistry()
    cleanUps.push(registry.stop)
    const name = `127.0.0.1:${registry.port}/${project}`
    const publish = (dockerfile: string) => {
      execFileSync('docker', ['build', '-q', '-t', `${name}:1`, '-'], { input: dockerfile, stdio: 'pipe' })
      registry.publish(`${name}:1`)
      docker('rmi', `${name}:1`)
    }
    const serves = `FROM hostops-base:1\nCMD ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]\n`
    publish(`${serves}LABEL v=1\n`)
    const text = readFileSync(at('stacks/minimal/compose.yaml'), 'utf8')
    writeFileSync(join(dir, 'compose.yaml'), text.replace('8080', String(await freePort())))
    writeFileSync(join(dir, '.env'), `COMPOSE_PROJECT_NAME=${project}\nWEB_IMAGE=${name}:1\n`)
    const upgrade = ['run', at('compose-minimal.yaml'), '-i', `dir=${dir}`]
    const first = await rig.run(upgrade)
    expect(first.report).toMatchObject({ outcome: 'succeeded', success: true })
    const one = image('web')
    publish(`${serves}LABEL v=2\n`)
    expect((await rig.run(upgrade)).report).toMatchObject({ outcome: 'succeeded', success: true })
    const two = image('web')
    expect(two).not.toBe(one)

    publish('FROM hostops-base:1\nCMD ["sh", "-c", "sleep 1; echo out of cards >&2; exit 3"]\n')
    const run = rig.start(upgrade)
    await run.until(/compose\.up \|.*Started/)
    await registry.stop()
    const { report, code } = await run.ended
    expect(report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true, errorCode: 'not-stable' })
    expect(report.failedService).toMatchObject({ name: 'web', exitCode: 3 })
    expect(code).toBe(1)
    expect(image('web')).toBe(two)
  })
})
