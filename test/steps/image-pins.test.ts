/** Where images come from: their names, what a run has built, what Docker says of a pull; and builds on a real engine. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { composeBuild } from '../../src/steps/compose/build.ts'
import { notBuilt } from '../../src/steps/compose/built.ts'
import { pullFailed } from '../../src/steps/compose/compose-error.ts'
import { imageBuild } from '../../src/steps/compose/image-build.ts'
import {
  hasRegistryHost,
  imageField,
  repositoryOf,
  sameImageName,
} from '../../src/steps/compose/image-name.ts'
import type { Service } from '../../src/steps/compose/project.ts'
import { composePull } from '../../src/steps/compose/pull.ts'
import { fails } from '../rig/checkout.ts'
import { makeBaseImage, withoutDocker } from '../rig/docker.ts'
import { type Rig, stepContext } from '../rig/step-context.ts'

test.each([
  ['openclaw:local', false, 'openclaw'],
  ['someone/openclaw', false, 'someone/openclaw'],
  ['registry.example/openclaw:1.2', true, 'registry.example/openclaw'],
  ['localhost/openclaw', true, 'localhost/openclaw'],
  ['127.0.0.1:5000/a/b:v1', true, '127.0.0.1:5000/a/b'],
  [`registry.example/a@sha256:${'0'.repeat(64)}`, true, 'registry.example/a'],
])('%s', (name, remote, repository) => {
  expect(imageField().safeParse(name).success).toBe(true)
  expect(hasRegistryHost(name)).toBe(remote)
  expect(repositoryOf(name)).toBe(repository)
})

test.each([
  '',
  '--privileged',
  '-t',
  'a b',
  'a:',
  'a:b:c',
  '/a',
  'a//b',
  'a/',
  'A/B',
  '$(id)',
  'a\n',
  'a@sha256:1',
])('%j is not the name of an image', name => expect(imageField().safeParse(name).success).toBe(false))

test('a name without a tag means latest', () => {
  expect(sameImageName('a', 'a:latest')).toBe(true)
  expect(sameImageName('h:1/a', 'h:1/a:latest')).toBe(true)
  expect(sameImageName('a:1', 'a')).toBe(false)
})

const service = (name: string, image: string | null, builds: boolean): Service => ({
  ...{ name, image, builds, platform: null, replicas: 1, oneShot: false, needs: [] },
})
const GATEWAY = service('gateway', 'app:1', true)
const MIGRATE = service('migrate', null, true)
const DATABASE = service('db', 'db:1', false)
const project = (...reach: Service[]) => ({ name: 'p', services: reach, reach, apart: [] })
const nothing = { built: [], tagged: [], pulled: [] }
const names = (all: Service[]) => all.map(({ name }) => name)

test('what is started and was not built by this run, where it built something of this stack', () => {
  const all = project(GATEWAY, MIGRATE, DATABASE)
  const built = (...services: string[]) => [
    { project: 'p', images: Object.fromEntries(services.map(name => [name, 'sha256:1'])) },
  ]
  expect(notBuilt(all, nothing)).toEqual([])
  expect(names(notBuilt(all, { ...nothing, built: built('gateway') }))).toEqual(['migrate'])
  expect(notBuilt(all, { ...nothing, built: built('gateway', 'migrate') })).toEqual([])
  expect(notBuilt(all, { ...nothing, built: [...built('gateway'), ...built('migrate')] })).toEqual([])
  const other = built('gateway').map(each => ({ ...each, project: 'q' }))
  expect(notBuilt(all, { ...nothing, built: other })).toEqual([])
  const tagged = [{ project: 'p', image: 'app:1' }]
  expect(names(notBuilt(all, { ...nothing, tagged }))).toEqual(['migrate'])
  expect(notBuilt(all, { ...nothing, tagged, built: built('migrate') })).toEqual([])
  expect(notBuilt(all, { ...nothing, built: built('migrate'), pulled: built('gateway') })).toEqual([])
  expect(notBuilt(all, { ...nothing, pulled: built('gateway') })).toEqual([])
  // Two services of one image: built once.
  const twice = project(GATEWAY, service('worker', 'app:1', true))
  expect(notBuilt(twice, { ...nothing, built: built('gateway') })).toEqual([])
})

test.each([
  ['not-found', 'manifest for a:9 not found: manifest unknown: manifest unknown'],
  ['not-found', 'failed to resolve reference "registry.example/a:9": registry.example/a:9: not found'],
  ['denied', "pull access denied for a, repository does not exist or may require 'docker login'"],
  ['denied', 'Head "https://registry.example/v2/a/manifests/1": unauthorized: authentication required'],
  ['no-network', 'Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host'],
  ['no-network', 'Get "https://registry.example/v2/": net/http: TLS handshake timeout'],
  ['other', 'something new'],
])('a pull that failed: %s', (why, detail) => {
  const done = {
    code: 1,
    signal: null,
    stdout: '',
    stderr: `Error response from daemon: ${detail}\n`,
    durationMs: 1,
  }
  const failed = pullFailed('/srv', 'a:9', { ...done, truncated: { stdout: false, stderr: false } })
  expect(failed.failure).toEqual({ code: 'pull-failed', image: 'a:9', why, detail })
})

const missing = withoutDocker('plain builds')

describe.skipIf(missing !== null)('image.build', () => {
  let dir: string
  let ctx: Rig
  let image: string
  const docker = (...args: string[]) =>
    execFileSync('docker', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
  const write = (name: string, text: string) => writeFileSync(join(dir, name), text)
  const input = (more: object = {}) =>
    imageBuild.schema().parse({ dir, project: basename(dir).toLowerCase(), ...more })
  beforeAll(makeBaseImage)
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hostops-image-'))
    image = `${basename(dir).toLowerCase()}:local`
    ctx = stepContext({
      timeoutMs: 120_000,
      jobsFolder: join(dir, '.jobs'),
      env: { XDG_STATE_HOME: join(dir, '.state') },
    })
    write('docker-compose.yml', `services: { app: { image: "${image}" }, db: { image: "db:1" } }\n`)
    write(
      'Dockerfile',
      'FROM hostops-base:1\nARG A=a\nARG B=b\nARG C=c\nRUN printf "%s|%s|%s" "$A" "$B" "$C" >/args\n',
    )
  })
  afterEach(() => {
    const listed = docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}').split('\n')
    const ours = listed.filter(name => name.includes(basename(dir).toLowerCase()))
    if (ours.length > 0) spawnSync('docker', ['rmi', '-f', ...ours])
    rmSync(dir, { recursive: true, force: true })
  })

  test('takes build args as given, and as the env file has them; these are in no argument', async () => {
    write('.env', 'B=\'it costs $5 "now"\'\n')
    const given = input({ services: ['app'], args: { A: 'x y' }, argsFrom: ['B', 'C'] })
    const result = await imageBuild.act.run(ctx, given, null)
    expect(result).toMatchObject({ changed: true, outputs: { image }, facts: { composeRebuilt: true } })
    expect(docker('run', '--rm', '--network', 'none', image, 'cat', '/args')).toBe('x y|it costs $5 "now"|c')
    expect(JSON.stringify(ctx.ran.map(({ argv }) => argv))).not.toContain('it costs')
    expect(ctx.seen).toMatchObject([{ what: 'image', target: image, saw: expect.stringMatching(/^none → /) }])
    await imageBuild.look!.holds!(ctx, given, result.outputs!, null)
    docker('tag', 'hostops-base:1', image)
    await fails(imageBuild.look!.holds!(ctx, given, result.outputs!, null), { code: 'images-differ' })
  })

  test('puts back what the name meant, also where nothing runs', async () => {
    docker('tag', 'hostops-base:1', image)
    const idOf = () => docker('image', 'inspect', '--format', '{{.Id}}', image)
    const before = idOf()
    const given = input({ services: ['app'] })
    const snapshot = await imageBuild.act.snapshot!(ctx, given)
    await imageBuild.act.run(ctx, given, snapshot)
    expect(idOf()).not.toBe(before)
    expect(await imageBuild.undo!.restore!(ctx, given, snapshot)).toEqual({ changed: true })
    expect(idOf()).toBe(before)
  })

  test('reads a context and a file of their own', async () => {
    mkdirSync(join(dir, 'sub'))
    write('sub/other.Dockerfile', 'FROM hostops-base:1\nCOPY note /note\n')
    write('sub/note', 'from sub')
    await imageBuild.act.run(
      ctx,
      input({ services: ['app'], context: 'sub', file: 'sub/other.Dockerfile' }),
      null,
    )
    expect(docker('run', '--rm', '--network', 'none', image, 'cat', '/note')).toBe('from sub')
  })

  test('refuses a tag that no service uses, more than one image, and a file that is not there', async () => {
    const refused = (more: object, failure: object) =>
      fails(imageBuild.act.snapshot!(ctx, input(more)), failure)
    await refused({ tag: 'other:1' }, { code: 'image-unused', image: 'other:1', instead: 'dockerfile' })
    await refused({}, { code: 'step-input-invalid' })
    await refused({ services: ['app'], file: 'gone' }, { code: 'nothing-to-build', file: join(dir, 'gone') })
    rmSync(join(dir, 'Dockerfile'))
    await refused({ services: ['app'] }, { code: 'nothing-to-build', instead: 'registry' })
    const build = composeBuild.schema().parse({ dir, services: ['app'] })
    await fails(composeBuild.look!.check!(ctx, build), { code: 'nothing-to-build', instead: 'registry' })
    expect(
      docker('image', 'ls', '-q', '--filter', `reference=hostops/rollback/${basename(dir).toLowerCase()}*`),
    ).toBe('')
  })

  test('compose.pull refuses a stack with nothing to pull, and a variable without an image', async () => {
    write('docker-compose.yml', 'services: { app: { build: . } }\n')
    const pull = composePull.schema().parse({ dir, services: ['app'] })
    await fails(composePull.act.snapshot!(ctx, pull), { code: 'nothing-to-pull', instead: 'compose' })
    expect(composePull.schema().safeParse({ dir, variable: 'A' }).success).toBe(false)
  })
})
