/** A real Docker engine and the fixture stack: never a mock. */
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execaSync } from 'execa'
import { notTested } from './not-tested.ts'

const FIXTURE = fileURLToPath(new URL('../docker/fixture.sh', import.meta.url))
const BASE_IMAGE = fileURLToPath(new URL('../docker/base-image.sh', import.meta.url))

/** `hostops-base:1`, for tests that make no stack of the fixture's before they use it. */
export const makeBaseImage = (): void => void execaSync('bash', [BASE_IMAGE])
/** Whether it went well is looked at, or does not matter. */
const QUIETLY = { reject: false, stdin: 'ignore' } as const

export const VERSIONS = ['v1', 'v2', 'v3-broken', 'v4-unhealthy', 'v5-crashloop'] as const
export type Version = (typeof VERSIONS)[number]

/** Null where a real engine with Compose v2 answers. Where one is required, its absence is a failure and no skip. */
export function withoutDocker(what: string): string | null {
  const answers = (...args: string[]) => !execaSync('docker', args, QUIETLY).failed
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].some(path => existsSync(path))
  const problem = !answers('version', '--format', '{{.Server.Version}}')
    ? 'no Docker engine answers'
    : !answers('compose', 'version')
      ? 'no Compose v2'
      : busybox
        ? null
        : 'no busybox-static'
  if (problem === null) return null
  notTested(`${what}: ${problem}; on Debian 12, as root: bash test/docker/install.sh`)
  return problem
}

/** The newer engine is met on one of them in the gate: what hostlink adds knows nothing of engines. */
export const TARGETS = (process.env['HOSTOPS_TEST_TARGETS']?.split(',') ?? ['local', 'hostlink']) as (
  | 'local'
  | 'hostlink'
)[]

/** For tests that need nothing but an engine. */
export const dockerAnswers = () => withoutDocker('tests on a real engine') === null

/** For a private engine, which has no network. */
export const ON_HOST = `services:
  gateway:
    build: { network: none }
    network_mode: host
    ports: !reset []
    command: ["nc", "-ll", "-p", "PORT", "-e", "/app/serve.sh"]
    stop_grace_period: 0s
    healthcheck: { disable: true }
`

export type Stack = Awaited<ReturnType<typeof makeStack>>

/** The fixture in a scratch folder, on `v1`, built and running. `env` chooses another engine (DOCKER_HOST). */
export async function makeStack(
  options: { start?: Version | null; env?: NodeJS.ProcessEnv; override?: string } = {},
) {
  const env = { ...process.env, ...options.env }
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-docker-')))
  const project = folder.split('/').at(-1)!.toLowerCase()
  const port = await freePort()
  const quiet = { env, extendEnv: false, stdin: 'ignore' } as const
  execaSync('bash', [FIXTURE, folder, String(port), project], quiet)
  const dir = join(folder, 'gateway')
  // Beside the checkout, which must stay clean.
  const override = options.override === undefined ? null : join(folder, 'override.yaml')
  if (override !== null) writeFileSync(override, options.override!.replaceAll('PORT', String(port)))
  const files = ['compose.yaml', ...(override === null ? [] : [override])]
  const docker = (...args: string[]) => execaSync('docker', args, { ...quiet, cwd: dir }).stdout.trim()
  const git = (...args: string[]) => execaSync('git', args, { ...quiet, cwd: dir }).stdout.trim()
  const containers = () =>
    docker('ps', '-a', '-q', '--no-trunc', '--filter', `label=com.docker.compose.project=${project}`)
      .split('\n')
      .filter(Boolean)
  const inspect = (format: string, ...ids: string[]) => docker('inspect', '--format', format, ...ids)

  const stack = {
    folder,
    dir,
    project,
    port,
    files,
    url: `http://127.0.0.1:${port}`,
    image: `${project}-gateway`,
    docker,
    git,
    containers,
    inspect,
    compose: (...args: string[]) =>
      docker('compose', '--progress', 'quiet', ...files.flatMap(file => ['-f', file]), ...args),
    /** To another version by hand, as somebody without hostops would. */
    deploy(version: Version) {
      git('-c', 'advice.detachedHead=false', 'checkout', '-q', version)
      stack.compose('up', '-d', '--build')
    },
    /** Another version upstream: the one that is checked out, with these files. */
    publish(branch: string, files: Record<string, string>) {
      const work = join(folder, `work-${branch}`)
      const inWork = (...args: string[]) =>
        execaSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@y.invalid', ...args], {
          ...quiet,
          cwd: work,
        })
      execaSync('git', ['clone', '-q', join(folder, 'upstream.git'), work], quiet)
      for (const [name, text] of Object.entries(files)) writeFileSync(join(work, name), text)
      inWork('add', '-A')
      inWork('commit', '-qm', branch)
      inWork('push', '-q', 'origin', `HEAD:refs/heads/${branch}`)
    },
    read: (name: string) => readFileSync(join(dir, name), 'utf8'),
    write: (name: string, text: string) => writeFileSync(join(dir, name), text),
    setEnv: (line: string) => appendFileSync(join(dir, '.env'), `${line}\n`),
    /** What runs: image ids, the version in the label, restarts, state. */
    running: () =>
      containers().map(id => {
        const format =
          '{{.Image}} {{index .Config.Labels "org.opencontainers.image.version"}} {{.State.Status}}'
        const [image, version, status] = inspect(format, id).split(' ')
        return { image, version, status }
      }),
    head: () => git('describe', '--tags', '--exact-match'),
    clean: () => git('status', '--porcelain') === '',
    pins: () =>
      docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}')
        .split('\n')
        .filter(name => name.startsWith(`hostops/rollback/${project}-`)),
    /** As `docker ps` shows them. */
    holders: (format = '{{.Names}} {{.State}}') =>
      docker('ps', '-a', '--format', format, '--filter', `label=hostops.project=${project}`)
        .split('\n')
        .filter(Boolean),
    async answers() {
      for (let tries = 0; tries < 300; tries += 1) {
        // A question in the moment between the port and the network of a container may never be answered.
        const signal = AbortSignal.timeout(2000)
        if ((await fetch(`${stack.url}/readyz`, { signal }).catch(() => null))?.ok) return
        await new Promise(resolve => setTimeout(resolve, 50))
      }
      throw new Error('the fixture does not answer')
    },
    /** Waits until compose is in the middle of replacing a container, or the time is over. */
    async replacing() {
      for (let tries = 0; tries < 600; tries += 1) {
        const names = docker('ps', '-a', '--format', '{{.Names}}', '--filter', `name=${project}`)
        if (/^[0-9a-f]{12}_/m.test(names)) return
        await new Promise(resolve => setTimeout(resolve, 20))
      }
      throw new Error('no container was being replaced')
    },
    /** Ends, at once, the compose of this stack that is at work; false when there is none. */
    killCompose(): boolean {
      const ours = readdirSync('/proc')
        .filter(name => /^\d+$/.test(name))
        .filter(pid => {
          const words = wordsOf(pid)
          return (
            words.includes('up') && words.includes(dir) && words.some(word => /docker(-compose)?$/.test(word))
          )
        })
      for (const pid of ours) killIfThere(Number(pid))
      return ours.length > 0
    },
    remove() {
      const quietly = { ...quiet, ...QUIETLY }
      execaSync('docker', ['compose', 'down', '-t', '0', '-v', '--remove-orphans'], { ...quietly, cwd: dir })
      removeHolders(`label=hostops.project=${project}`, env)
      const left = execaSync(
        'docker',
        ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'],
        quietly,
      ).stdout
      const ours = left
        .split('\n')
        .filter(name => name.includes(`${project}-`) || name.includes(`${project}_`))
      if (ours.length > 0) execaSync('docker', ['rmi', '-f', ...ours], quietly)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  if (options.start !== null) {
    try {
      stack.deploy(options.start ?? 'v1')
      await stack.answers()
    } catch (error) {
      stack.remove()
      throw error
    }
  }
  return stack
}

/** What hostops leaves behind on purpose, so that a prune takes no kept image. */
export function removeHolders(filter: string, env: NodeJS.ProcessEnv = process.env): void {
  const args = ['ps', '-aq', '--filter', filter]
  const quietly = { env, extendEnv: false, ...QUIETLY }
  const held = execaSync('docker', args, quietly).stdout.split('\n').filter(Boolean)
  if (held.length > 0) execaSync('docker', ['rm', '-f', '-v', ...held], quietly)
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function wordsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}
