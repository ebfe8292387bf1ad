/** What keeps a stack from being upgraded is told by a code of its own, in words, with what to type next. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { makeStack, type Stack, withoutDocker } from '../rig/docker.ts'
import { HOSTOPS, type HostopsRig, hostopsRig, reportOf } from '../rig/hostops.ts'

const missing = withoutDocker('what a real Docker refuses')
const PLUGIN_FOLDERS = ['lib', 'libexec']
  .flatMap(name => [`/usr/${name}`, `/usr/local/${name}`])
  .map(folder => `${folder}/docker/cli-plugins`)

describe.skipIf(missing !== null)('told as what it is:', () => {
  let rig: HostopsRig
  let stack: Stack
  let server: Server | null = null
  beforeAll(async () => {
    rig = hostopsRig()
    stack = await makeStack()
  })
  afterEach(() => void server?.close())
  afterAll(async () => {
    stack?.remove()
    await rig?.remove()
  })

  const playbook = (ref: string) =>
    rig.playbook(
      'upgrade',
      [
        { uses: 'git.dirty-check' },
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref } },
        { uses: 'compose.build' },
        { uses: 'compose.up', with: { watch: '1s' } },
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] } },
    )
  /** Everything is as it was, also where it was never touched. */
  const unharmed = (before: ReturnType<Stack['running']>) => {
    expect(stack.running()).toEqual(before)
    expect(stack.head()).toBe('v1')
    expect(stack.clean()).toBe(true)
  }

  /** In namespaces and with privileges of its own; `setUp` is shell. */
  const runAs = (wrapper: string[], setUp: string, env: NodeJS.ProcessEnv) => {
    const argv = [...wrapper, 'sh', '-ec', `${setUp}\nexec "$@"`, 'sh', process.execPath, HOSTOPS]
    const ended = spawnSync(argv[0]!, [...argv.slice(1), 'run', playbook('v2')], {
      env: { ...rig.env, ...env },
      encoding: 'utf8',
    })
    return { report: reportOf(ended.stdout), stderr: ended.stderr, code: ended.status }
  }

  test('the compose plugin is missing', async () => {
    const before = stack.running()
    const empty = rig.path('no-plugins')
    mkdirSync(empty, { recursive: true })
    const hide = PLUGIN_FOLDERS.map(folder => `[ ! -d ${folder} ] || mount -t tmpfs none ${folder}`)
    const { report, stderr, code } = runAs(['unshare', '-m'], hide.join('\n'), { DOCKER_CONFIG: empty })
    expect(report).toMatchObject({ errorCode: 'compose-plugin-missing', changed: false, success: false })
    expect(code).toBe(1)
    expect(report.error).toMatch(/^docker compose is not there: /)
    expect(stderr).toContain('install Compose v2 on the target')
    unharmed(before)
  })

  test('docker itself is missing', async () => {
    const before = stack.running()
    const bin = rig.path('bin')
    const all = "find /usr/local/bin /usr/bin /bin -maxdepth 1 ! -name 'docker*' -exec ln -sf -t"
    const link = `mkdir -p ${bin}; ${all} ${bin} {} +; PATH=${bin}; export PATH`
    const { report } = runAs(['env'], link, {})
    expect(report).toMatchObject({ errorCode: 'command-not-started', changed: false })
    expect(report.error).toContain('docker')
    unharmed(before)
  })

  test('the socket of the engine is closed to this user', async () => {
    const before = stack.running()
    const socket = rig.path('closed.sock')
    await new Promise<void>(resolve => {
      server = createServer().listen(socket, resolve)
    })
    chmodSync(socket, 0o000)
    const plain = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all']
    const { report, stderr, code } = runAs(plain, '', { DOCKER_HOST: `unix://${socket}` })
    expect(report).toMatchObject({ errorCode: 'engine-denied', changed: false })
    expect(code).toBe(1)
    expect(report.error).toMatch(/^the Docker engine refuses this user: permission denied/)
    expect(stderr).toContain('usermod -aG docker')
    unharmed(before)
  })

  test('the engine is down', async () => {
    const before = stack.running()
    const { report, stderr } = runAs(['env'], '', { DOCKER_HOST: `unix://${rig.path('nobody.sock')}` })
    expect(report).toMatchObject({ errorCode: 'engine-down', changed: false })
    expect(stderr).toContain('systemctl status docker')
    unharmed(before)
  })

  test.each<[string, string, string, RegExp]>([
    ['is no YAML', 'services: [', 'compose-file-invalid', /yaml/],
    ['has a wrong key', 'services: { gateway: { imagee: x } }\n', 'compose-file-invalid', /imagee/],
    [
      'has lost the service',
      'services: { other: { image: "hostops-base:1" } }\n',
      'service-unknown',
      /gateway/,
    ],
    [
      'includes what is not there',
      'include: [gone.yaml]\nservices: { gateway: { build: . } }\n',
      'compose-file-missing',
      /gone\.yaml/,
    ],
  ])('the compose file of the new version %s', async (how, text, errorCode, words) => {
    const before = stack.running()
    const branch = how.replaceAll(/[^a-z]+/g, '-')
    stack.publish(branch, { 'compose.yaml': text })
    const { report, code } = await rig.run(['run', playbook(branch)])
    expect(report).toMatchObject({ outcome: 'rolled-back', errorCode, rollbackVerified: true })
    expect(code).toBe(1)
    expect(report.error).toMatch(words)
    unharmed(before)
  })
})
