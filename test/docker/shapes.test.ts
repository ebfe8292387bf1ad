/** The shipped playbook on each shape of stack that OpenClaw's set-up makes. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { TARGETS, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type OpenclawStack, openclawStack, SHAPES, type Shape } from '../rig/openclaw-stack.ts'
import { startRegistry } from '../rig/registry.ts'

const missing = withoutDocker('the shapes of an OpenClaw stack')
const LIMIT_MS = 240_000

let rig: HostopsRig
let stack: OpenclawStack | null
let registry: Awaited<ReturnType<typeof startRegistry>> | null
let daemon: DaemonRig | null
let env: NodeJS.ProcessEnv
beforeEach(() => {
  rig = hostopsRig()
  ;[stack, registry, daemon, env] = [null, null, null, {}]
})
afterEach(async () => {
  stack?.remove()
  await registry?.stop()
  await rig.remove()
  await daemon?.stop()
}, LIMIT_MS)

const make = async (shape: Shape, options: Parameters<typeof openclawStack>[1] = {}) => {
  if (shape === 'registry') registry = await startRegistry()
  stack = await openclawStack(shape, { ...options, ...(registry ? { registry } : {}) })
  return stack
}
type Inputs = Record<string, string>
const args = (at: OpenclawStack, ref: string, more: Inputs, options: readonly string[]) => {
  const inputs = { repoPath: at.dir, ref, gatewayBaseUrl: at.url, healthTimeout: '5s', ...more }
  const given = Object.entries(inputs).flatMap(([key, value]) => ['-i', `${key}=${value}`])
  return ['run', 'upgrade-openclaw', ...given, ...options]
}
const upgrade = (at: OpenclawStack, ref: string, more: Inputs, ...options: string[]) =>
  rig.run(args(at, ref, more, options), { env })
const sourceOf = (at: OpenclawStack, shape: Shape, tag: string): Inputs =>
  shape === 'registry' ? { imageFrom: shape, image: at.inRegistry(tag) } : { imageFrom: shape }

describe.skipIf(missing !== null).each(TARGETS)('on %s', target => {
  beforeEach(async () => {
    if (target === 'local') return
    daemon = await startDaemonRig({ env: { HOME: rig.folder } })
    env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
  })

  // What hostlink adds knows nothing of shapes.
  test.each(target === 'local' ? SHAPES : (['compose'] as const))(
    '%s: a good version runs, one that is not ready goes back',
    async shape => {
      const at = await make(shape)
      const old = at.image()
      at.release('v2', 'good')
      const up = await upgrade(at, 'v2', sourceOf(at, shape, 'v2'), '--target', target)
      expect(up.report, up.stderr).toMatchObject({ outcome: 'succeeded', success: true, readyz: true })
      expect(up.report.composeRebuilt).toBe(shape === 'registry' ? null : true)
      expect(await at.version()).toBe('v2')
      expect(at.image()).not.toBe(old)
      expect(at.env()).toContain(
        `\nOPENCLAW_IMAGE=${shape === 'registry' ? at.inRegistry('v2') : at.local}\n`,
      )
      // What the set-up was given as a build arg is in the new image too.
      if (shape === 'dockerfile') expect(at.in('cat', '/packages')).toBe('ffmpeg jq')
      if (shape === 'registry') {
        const digest = expect.stringMatching(/^sha256:[0-9a-f]{64}$/)
        const [pulled] = up.report.pulled!
        expect(pulled).toEqual({
          service: 'openclaw-gateway',
          image: at.inRegistry('v2'),
          before: digest,
          after: digest,
        })
        expect(pulled!.after).not.toBe(pulled!.before)
      } else expect(up.report.pulled).toBeUndefined()

      const before = at.now()
      at.release('v3', 'unhealthy')
      const back = await upgrade(at, 'v3', sourceOf(at, shape, 'v3'), '--target', target)
      expect(back.report, back.stderr).toMatchObject({ outcome: 'rolled-back', failedStep: 'health.poll' })
      expect(back.report).toMatchObject({ rollbackVerified: true, rollbackError: null })
      expect(back.code).toBe(1)
      expect(at.now()).toEqual(before)
      expect(await at.version()).toBe('v2')
      expect(`${up.stdout}${up.stderr}${back.stdout}${back.stderr}`).not.toContain('token-of-the-gateway')
    },
    LIMIT_MS,
  )
})

describe.skipIf(missing !== null)('whatever the shape', () => {
  test.each(SHAPES)(
    '%s: a version that crashes goes back',
    async shape => {
      const at = await make(shape)
      const before = at.now()
      at.release('v2', 'crash')
      const { report, code, stderr } = await upgrade(at, 'v2', sourceOf(at, shape, 'v2'))
      expect(report, stderr).toMatchObject({
        outcome: 'rolled-back',
        failedStep: 'compose.up',
        errorCode: 'not-stable',
      })
      expect(report).toMatchObject({ rollbackVerified: true, failedService: { exitCode: 7 } })
      expect(code).toBe(1)
      expect(at.now()).toEqual(before)
    },
    LIMIT_MS,
  )

  /** Compose gives the image a name of its own. */
  const unnamed = (text: string) =>
    text
      .replace(/ {4}image: .*\n/, '')
      .replace(/image: \$\{OPENCLAW_IMAGE.*\}/, 'image: ${COMPOSE_PROJECT_NAME}-openclaw-gateway')
  const withoutVariable = (text: string) =>
    text.replaceAll(/image: \$\{OPENCLAW_IMAGE.*\}/g, 'image: ${COMPOSE_PROJECT_NAME}-openclaw:local')
  type Wrong = [inputs: Inputs, errorCode: string, hint: RegExp]
  const image = 'registry.example/openclaw:2'
  const WRONG: [string, Shape, (text: string) => string, Wrong[]][] = [
    [
      'an image-only stack',
      'dockerfile',
      text => text,
      [[{ imageFrom: 'compose' }, 'nothing-to-build', /use imageFrom=dockerfile/]],
    ],
    [
      'a stack of a registry',
      'registry',
      text => text,
      [
        [{ imageFrom: 'compose' }, 'nothing-to-build', /use imageFrom=registry/],
        [{ imageFrom: 'dockerfile' }, 'image-of-registry', /use imageFrom=registry/],
      ],
    ],
    [
      'a stack that compose builds and names',
      'compose',
      unnamed,
      [
        [{ imageFrom: 'dockerfile' }, 'image-unused', /use imageFrom=compose/],
        [{ imageFrom: 'registry', image }, 'nothing-to-pull', /use imageFrom=compose/],
      ],
    ],
    [
      'a stack that does not use the variable',
      'dockerfile',
      withoutVariable,
      [[{ imageFrom: 'registry', image }, 'image-unused', /use imageFrom=dockerfile/]],
    ],
  ]
  test.each(WRONG)(
    '%s refuses another source of its image before any change',
    async (_what, shape, compose, sources) => {
      const at = await make(shape, { compose })
      const format = '{{.ID}} {{.Repository}}:{{.Tag}}'
      const filter = `reference=*${at.project}*`
      const tags = () => at.docker('image', 'ls', '-a', '--no-trunc', '--format', format, '--filter', filter)
      const now = () => [at.head(), at.env(), at.containers(), tags()]
      const before = now()
      at.release('v2', 'good')
      for (const [inputs, errorCode, hint] of sources) {
        const checked = await upgrade(at, 'v2', inputs, '--check')
        expect(checked.report, checked.stderr).toMatchObject({ outcome: 'refused', errorCode })
        const { report, code, stderr } = await upgrade(at, 'v2', inputs)
        expect(report, stderr).toMatchObject({ outcome: 'refused', errorCode, changed: false })
        expect(code).toBe(3)
        expect(stderr).toMatch(hint)
        expect(now()).toEqual(before)
      }
    },
    LIMIT_MS,
  )

  test('registry without an image is invalid, and nothing is contacted', async () => {
    const given = ['-i', 'repoPath=/srv/openclaw', '-i', 'imageFrom=registry']
    const { report, code } = await rig.run(['run', 'upgrade-openclaw', ...given])
    expect(report).toMatchObject({ outcome: 'invalid' })
    expect(report.error).toMatch(/image: the name of an image/)
    expect(code).toBe(2)
    expect((await rig.run(['run', 'upgrade-openclaw', ...given, '-i', 'image=--privileged'])).code).toBe(2)
  })

  test(
    'the way back needs no registry',
    async () => {
      const at = await make('registry')
      const before = at.now()
      at.release('v2', 'unhealthy')
      const run = rig.start(args(at, 'v2', sourceOf(at, 'registry', 'v2'), []))
      await run.until(/compose\.up \|.*Started/)
      await registry!.stop()
      registry = null
      const { report, stderr } = await run.ended
      expect(report, stderr).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
      expect(at.now()).toEqual(before)
    },
    LIMIT_MS,
  )

  test(
    'a pull that fails costs no downtime, and says why',
    async () => {
      const at = await make('registry')
      const [before, containers] = [at.now(), at.containers()]
      at.release('v2', 'good')
      const unknown = await upgrade(at, 'v2', sourceOf(at, 'registry', 'v9'))
      expect(unknown.report, unknown.stderr).toMatchObject({
        outcome: 'rolled-back',
        failedStep: 'compose.pull',
        errorCode: 'pull-failed',
        downtimeSeconds: 0,
      })
      expect(unknown.report.error).toContain('the registry does not have it')
      await registry!.stop()
      registry = null
      const gone = await upgrade(at, 'v2', sourceOf(at, 'registry', 'v2'))
      expect(gone.report).toMatchObject({
        outcome: 'rolled-back',
        errorCode: 'pull-failed',
        rollbackVerified: true,
      })
      expect(gone.report.error).toContain('the registry cannot be reached')
      expect([at.now(), at.containers()]).toEqual([before, containers])
    },
    LIMIT_MS,
  )

  test(
    'a build that fails costs no downtime either',
    async () => {
      const at = await make('dockerfile')
      const [before, containers] = [at.now(), at.containers()]
      at.release('v2', 'unbuildable')
      const { report } = await upgrade(at, 'v2', { imageFrom: 'dockerfile' })
      expect(report).toMatchObject({
        outcome: 'rolled-back',
        failedStep: 'image.build',
        rollbackVerified: true,
      })
      expect(report.error).toContain('no such compiler')
      expect([at.now(), at.containers()]).toEqual([before, containers])
    },
    LIMIT_MS,
  )

  test(
    'a stack of two files is upgraded with both',
    async () => {
      const extra =
        'services: { openclaw-gateway: { volumes: ["home:/home/node"] } }\nvolumes: { home: {} }\n'
      const at = await make('dockerfile', { extra })
      at.in('sh', '-c', 'echo mine >/home/node/note')
      at.release('v2', 'good')
      const { report, stderr } = await upgrade(at, 'v2', { imageFrom: 'dockerfile' })
      expect(report, stderr).toMatchObject({ outcome: 'succeeded' })
      expect(at.in('cat', '/home/node/note')).toBe('mine')
    },
    LIMIT_MS,
  )

  const DEPENDENCY = `
  migrate:
    build: ./migrate
    environment: { STATE: /state }
    volumes: [state:/state]
volumes: { state: {} }
`
  const withMigration = (text: string) =>
    `${text.replace('    init: true\n', '    init: true\n    depends_on: { migrate: { condition: service_completed_successfully } }\n')}${DEPENDENCY}`
  const migration = (tag: string) => ({
    'migrate/Dockerfile': `FROM hostops-base:1\nLABEL migrates=${tag}\nCMD ["sh", "-c", "echo ${tag} >>/state/migrations"]\n`,
  })

  const makeWithMigration = () => make('compose', { compose: withMigration, files: migration('v1') })

  test(
    'what the gateway depends on is built too, so that the new one never runs after the old migration',
    async () => {
      const at = await makeWithMigration()
      at.release('v2', 'good', migration('v2'))
      const { report, stderr } = await upgrade(at, 'v2', {})
      expect(report, stderr).toMatchObject({ outcome: 'succeeded', composeRebuilt: true })
      const done = at.docker(
        'run',
        '--rm',
        '-v',
        `${at.project}_state:/state`,
        'hostops-base:1',
        'cat',
        '/state/migrations',
      )
      expect(done.split('\n')).toEqual(['v1', 'v2'])
    },
    LIMIT_MS,
  )

  test(
    'a dependency that the run did not build is an error before anything stops',
    async () => {
      const at = await makeWithMigration()
      const containers = at.containers()
      const steps = [
        { uses: 'compose.build', with: { services: ['migrate'] } },
        { uses: 'compose.up', with: { services: ['openclaw-gateway'] } },
      ]
      const playbook = rig.playbook('half', steps, { defaults: { dir: at.dir } })
      const { report, stderr } = await rig.run(['run', playbook])
      expect(report, stderr).toMatchObject({ failedStep: 'compose.up', errorCode: 'not-built' })
      expect(report.error).toContain('openclaw-gateway')
      expect(at.containers(), stderr).toEqual(containers)
    },
    LIMIT_MS,
  )

  test(
    'an image that did not move is seen, and no error',
    async () => {
      const at = await make('dockerfile')
      // A build by hand may have attested the time of it in the image, where the engine keeps that.
      at.release('v2', 'good', { 'notes.md': 'words\n', '.dockerignore': 'notes.md\n' })
      expect((await upgrade(at, 'v2', { imageFrom: 'dockerfile' })).report.outcome).toBe('succeeded')
      const [image, containers] = [at.image(), at.containers()]
      at.release('v3', 'good', { VERSION: 'v2', 'notes.md': 'other words\n' })
      const { report, stderr } = await upgrade(at, 'v3', { imageFrom: 'dockerfile' }, '--output', 'json')
      expect(report, stderr).toMatchObject({ success: true })
      const saw = stderr
        .split('\n')
        .filter(line => line.includes('"type":"saw"'))
        .map(line => JSON.parse(line))
      expect(saw).toContainEqual(
        expect.objectContaining({
          id: 'image.build',
          what: 'image',
          target: at.local,
          saw: `${image.slice(7, 19)}, as before`,
          ok: true,
        }),
      )
      expect(at.containers()).toEqual(containers)
    },
    LIMIT_MS,
  )

  test(
    'a plain build takes no name that the tree alone has chosen',
    async () => {
      const at = await make('dockerfile')
      const before = at.now()
      at.release('v2', 'good')
      at.tag('v3', 'docker-compose.yml', text => text.replaceAll(/image: .*/g, 'image: hostops-base:1'))
      const { report } = await upgrade(at, 'v3', { imageFrom: 'dockerfile' })
      expect(report).toMatchObject({ failedStep: 'image.build', errorCode: 'step-input-invalid' })
      expect(report.error).toContain('to hostops-base:1; set tag to accept the new name')
      expect(at.now()).toEqual(before)
    },
    LIMIT_MS,
  )

  test(
    'a build under the name of a registry is told, before and during',
    async () => {
      const at = await make('compose')
      writeFileSync(join(at.dir, '.env'), at.env().replace(at.local, `registry.example/${at.project}:1`))
      at.docker('compose', '--progress', 'quiet', 'up', '-d', '--build', 'openclaw-gateway')
      at.release('v2', 'good')
      const words = `the build takes the name registry.example/${at.project}:1`
      expect((await upgrade(at, 'v2', {}, '--check')).stderr).toContain(words)
      const { report, stderr } = await upgrade(at, 'v2', {})
      expect(report.outcome).toBe('succeeded')
      expect(stderr).toContain(words)
    },
    LIMIT_MS,
  )
})
