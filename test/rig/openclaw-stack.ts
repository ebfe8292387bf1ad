/** A stack as OpenClaw's set-up makes it, from examples/stacks, with an image of busybox in the place of OpenClaw's. */
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort, makeBaseImage, removeHolders } from './docker.ts'
import type { startRegistry } from './registry.ts'

export const SHAPES = ['compose', 'dockerfile', 'registry'] as const
export type Shape = (typeof SHAPES)[number]
export type Release = 'good' | 'unhealthy' | 'crash' | 'unbuildable'
export type OpenclawStack = Awaited<ReturnType<typeof openclawStack>>

const STACKS = fileURLToPath(new URL('../../examples/stacks', import.meta.url))
const PACKAGES = 'ffmpeg jq'

type Options = {
  registry?: Awaited<ReturnType<typeof startRegistry>>
  /** Of every release. */
  compose?: (text: string) => string
  /** More files of `v1`. */
  files?: Record<string, string>
  /** The text of docker-compose.extra.yml, which the stack is started with as well. */
  extra?: string
}

/** On `v1`, running. */
export async function openclawStack(
  shape: Shape,
  { registry, compose = text => text, files = {}, extra }: Options = {},
) {
  makeBaseImage()
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hostops-openclaw-')))
  const project = folder.split('/').at(-1)!.toLowerCase()
  const [port, dir, upstream] = [await freePort(), join(folder, 'openclaw'), join(folder, 'upstream')]
  const run = (cwd: string, ...argv: string[]) =>
    execFileSync(argv[0]!, argv.slice(1), { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  const git = (...args: string[]) =>
    run(upstream, 'git', '-c', 'user.name=x', '-c', 'user.email=x@y.invalid', ...args)
  const docker = (...args: string[]) => run(dir, 'docker', ...args)
  const local = `${project}-openclaw:local`
  const inRegistry = (tag: string) => `127.0.0.1:${registry?.port}/${project}/openclaw:${tag}`
  const name = shape === 'registry' ? inRegistry('v1') : local

  const stack = {
    folder,
    dir,
    project,
    port,
    url: `http://127.0.0.1:${port}`,
    local,
    inRegistry,
    docker,
    git: (...args: string[]) => run(dir, 'git', ...args),
    head: () => run(dir, 'git', 'rev-parse', 'HEAD'),
    env: () => readFileSync(join(dir, '.env'), 'utf8'),
    /** A commit and a tag upstream, and an image of the registry where there is one. */
    release(tag: string, kind: Release, files: Record<string, string> = {}) {
      cpSync(join(STACKS, `openclaw-${shape}`), upstream, { recursive: true })
      const file = join(upstream, 'docker-compose.yml')
      writeFileSync(file, compose(readFileSync(file, 'utf8')))
      const texts = { Dockerfile: dockerfile(project, kind), node: node(kind), VERSION: tag, ...files }
      for (const [path, text] of Object.entries(texts)) {
        mkdirSync(dirname(join(upstream, path)), { recursive: true })
        writeFileSync(join(upstream, path), text)
      }
      git('add', '-A')
      git('commit', '-qm', tag)
      git('tag', tag)
      if (registry === undefined) return
      run(upstream, 'docker', 'build', '-q', '-t', inRegistry(tag), '.')
      registry.publish(inRegistry(tag))
      run(upstream, 'docker', 'rmi', inRegistry(tag))
    },
    /** Another tag with one file changed. */
    tag(tag: string, name: string, change: (text: string) => string) {
      const file = join(upstream, name)
      writeFileSync(file, change(readFileSync(file, 'utf8')))
      git('commit', '-qam', tag)
      git('tag', tag)
    },
    containers: () =>
      docker(
        'ps',
        '-a',
        '--no-trunc',
        '--format',
        '{{.ID}} {{.State}}',
        '--filter',
        `label=com.docker.compose.project=${project}`,
      )
        .split('\n')
        .filter(Boolean)
        .sort(),
    inspect: (format: string, service = 'openclaw-gateway') =>
      docker('inspect', '--format', format, `${project}-${service}-1`),
    image: () => stack.inspect('{{.Image}}'),
    imageId: (image: string) => docker('image', 'inspect', '--format', '{{.Id}}', image),
    in: (...argv: string[]) => docker('exec', `${project}-openclaw-gateway-1`, ...argv),
    version: () => fetch(`${stack.url}/version`).then(answer => answer.text()),
    /** All that an upgrade may change. */
    now: () => ({
      head: stack.head(),
      branch: run(dir, 'git', 'branch', '--show-current'),
      clean: run(dir, 'git', 'status', '--porcelain'),
      env: stack.env(),
      image: stack.image(),
      tag: stack.imageId(/^OPENCLAW_IMAGE=(.*)$/m.exec(stack.env())![1]!),
    }),
    remove() {
      spawnSync('docker', ['compose', 'down', '-t', '0', '-v', '--remove-orphans'], { cwd: dir })
      removeHolders(`label=hostops.project=${project}`)
      // The extra file's volumes are unknown to the file that `down` finds.
      spawnSync('docker', ['volume', 'rm', `${project}_home`], { stdio: 'ignore' })
      const format = '{{.ID}} {{.Repository}}:{{.Tag}}'
      const listed = spawnSync('docker', ['image', 'ls', '--no-trunc', '--format', format], {
        encoding: 'utf8',
      })
      const ours = listed.stdout.split('\n').filter(line => line.includes(project))
      const labelled = spawnSync(
        'docker',
        ['image', 'ls', '-q', '--no-trunc', '--filter', `label=of=${project}`],
        { encoding: 'utf8' },
      )
      const ids = [...ours.map(line => line.split(' ')[0]!), ...labelled.stdout.split('\n').filter(Boolean)]
      if (ids.length > 0) spawnSync('docker', ['rmi', '-f', ...new Set(ids)])
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }

  mkdirSync(upstream)
  try {
    git('init', '-q', '-b', 'main')
    stack.release('v1', 'good', files)
    run(folder, 'git', 'clone', '-q', upstream, dir)
    for (const kind of ['config', 'workspace']) mkdirSync(join(folder, kind))
    const env = {
      COMPOSE_PROJECT_NAME: project,
      OPENCLAW_CONFIG_DIR: join(folder, 'config'),
      OPENCLAW_WORKSPACE_DIR: join(folder, 'workspace'),
      OPENCLAW_GATEWAY_PORT: port,
      OPENCLAW_GATEWAY_TOKEN: 'token-of-the-gateway',
      OPENCLAW_IMAGE: name,
      OPENCLAW_DOCKER_APT_PACKAGES: PACKAGES,
    }
    appendFileSync(
      join(dir, '.env'),
      Object.entries(env)
        .map(([key, value]) => `${key}=${value}\n`)
        .join(''),
    )
    if (shape === 'dockerfile')
      docker('build', '-q', '-t', local, '--build-arg', `OPENCLAW_DOCKER_APT_PACKAGES=${PACKAGES}`, '.')
    // The registry answers in this process.
    if (shape === 'registry') await promisify(execFile)('docker', ['pull', '-q', name])
    const composeFiles = ['docker-compose.yml', ...(extra === undefined ? [] : ['docker-compose.extra.yml'])]
    if (extra !== undefined) writeFileSync(join(dir, 'docker-compose.extra.yml'), extra)
    const build = shape === 'compose' ? ['--build'] : []
    docker(
      'compose',
      ...composeFiles.flatMap(file => ['-f', file]),
      '--progress',
      'quiet',
      'up',
      '-d',
      ...build,
      'openclaw-gateway',
    )
    for (let tries = 0; (await stack.version().catch(() => '')) !== 'v1'; tries += 1) {
      if (tries > 300) throw new Error('the stack does not answer')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  } catch (error) {
    stack.remove()
    throw error
  }
  return stack
}

const dockerfile = (project: string, kind: Release) => `FROM hostops-base:1
LABEL of=${project}
ARG OPENCLAW_DOCKER_APT_PACKAGES=""
COPY node /bin/node
COPY VERSION /www/version
RUN chmod 755 /bin/node && printf %s "$OPENCLAW_DOCKER_APT_PACKAGES" >/packages && echo ok >/www/healthz
${kind === 'unhealthy' ? '' : 'RUN echo ready >/www/readyz'}
${kind === 'unbuildable' ? 'RUN echo "no such compiler" >&2; exit 2' : ''}
`

const node = (kind: Release) => `#!/bin/sh
[ "$2" = gateway ] || exec sleep 1000
${kind === 'crash' ? 'echo "panic: out of cards" >&2; exit 7' : ''}
exec httpd -f -p 18789 -h /www
`
