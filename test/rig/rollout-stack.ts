/** The stack of examples/rollout behind a real nginx or Caddy, asked all the time while something happens to it. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './docker.ts'
import { notTested } from './not-tested.ts'
import { type Files, makePlainStack } from './plain-stack.ts'

const EXAMPLE = fileURLToPath(new URL('../../examples/rollout', import.meta.url))
const COUNTER = fileURLToPath(new URL('./request-counter.mjs', import.meta.url))
const NODE_IMAGE = fileURLToPath(new URL('../docker/node-image.sh', import.meta.url))
const NGINX = ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find(existsSync)

export type Counts = { requests: number; failed: string[]; answers: Record<string, number> }
export type RolloutStack = Awaited<ReturnType<typeof rolloutStack>>
export type Kind = 'good' | 'crash' | 'unhealthy' | 'late crash'

/** Null where both proxies are there. Where Docker tests are required, their absence is a failure and no skip. */
export function withoutProxies(): string | null {
  const caddy = spawnSync('caddy', ['version'], { stdio: 'ignore' }).status === 0
  if (NGINX !== undefined && caddy) return null
  return notTested('rollouts: no nginx or no caddy; on Debian, as root: apt-get install nginx-light caddy')
}

const CADDY = Object.fromEntries(
  ['compose.yaml', 'Caddyfile'].map(name => [name, readFileSync(join(EXAMPLE, 'caddy', name), 'utf8')]),
)
export const makeCaddyImage = () =>
  execFileSync('bash', [NODE_IMAGE, 'hostops-caddy:1', 'caddy', 'version'], { stdio: 'pipe' })

export const COMPOSE = readFileSync(join(EXAMPLE, 'compose.yaml'), 'utf8')

/** What a version is made of. `grace`: how long it goes on after it was asked to stop. */
export const versionOf = (name: string, kind: Kind = 'good', grace = 0): Files => ({
  Dockerfile:
    'FROM hostops-base:1\nCOPY version /www/version\nCOPY readyz start /\nRUN if [ -s /readyz ]; then mv /readyz /www/; fi\nCMD ["sh", "/start"]\n',
  version: `${name}\n`,
  readyz: kind === 'unhealthy' ? '' : 'ready\n',
  start: {
    good: `httpd -f -p 8080 -h /www & trap "sleep ${grace}; kill $!; exit" TERM; wait\n`,
    unhealthy: 'exec httpd -f -p 8080 -h /www\n',
    crash: 'echo "panic: out of cards" >&2; exit 3\n',
    'late crash': 'httpd -p 8080 -h /www; sleep 2; echo "panic: out of time" >&2; exit 4\n',
  }[kind],
})

/** On v1, running. Caddy is a service of the stack, nginx a process of this machine. */
export async function rolloutStack({
  compose = COMPOSE,
  kind = 'good' as Kind,
  grace = 0,
  caddy = false,
} = {}) {
  const port = await freePort()
  const plain = makePlainStack(
    { 'compose.yaml': compose, ...(caddy ? CADDY : {}), ...versionOf('v1', kind, grace) },
    { '.env': `CADDY_PORT=${port}\nCADDY_IMAGE=hostops-caddy:1\n` },
  )
  const nginx = join(plain.folder, 'nginx')
  mkdirSync(join(nginx, 'upstreams'), { recursive: true })
  const conf = readFileSync(join(EXAMPLE, 'nginx.conf'), 'utf8').replace(
    '127.0.0.1:8080',
    `127.0.0.1:${port}`,
  )
  writeFileSync(
    join(nginx, 'nginx.conf'),
    `pid nginx.pid;\nerror_log error.log;\nworker_processes 1;\n${conf.replace('http {', 'http {\n  access_log off;')}`,
  )
  const program = join(nginx, 'nginx-switch')
  cpSync(join(EXAMPLE, 'nginx-switch'), program)
  const path = `${NGINX?.replace(/\/nginx$/, '')}:${process.env['PATH']}`
  const inspect = (format: string) =>
    plain
      .docker('ps', '-aq', '--no-trunc', '--filter', `label=com.docker.compose.project=${plain.project}`)
      .split('\n')
      .filter(Boolean)
      .map(id => plain.docker('inspect', '--format', format, id))
  const nginxOf = (...args: string[]) =>
    execFileSync(NGINX!, ['-p', nginx, '-c', `${nginx}/nginx.conf`, ...args], { stdio: 'pipe' })
  const stack = {
    ...plain,
    url: `http://127.0.0.1:${port}`,
    nginx,
    program,
    path,
    /** Id, service and state of every container, in the order of their names. */
    containers: () =>
      inspect('{{.Name}} {{.Id}} {{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}}')
        .sort()
        .map(line => line.slice(plain.project.length + 2)),
    ids: () => inspect('{{.Id}}').sort(),
    imageId: (name: string) =>
      plain.docker('image', 'inspect', '--format', '{{.Id}}', `${plain.project}-${name}`),
    head: () => execFileSync('git', ['rev-parse', 'HEAD'], { cwd: plain.dir, encoding: 'utf8' }).trim(),
    wasSwitched: () => existsSync(join(nginx, 'upstreams/web.conf.before')),
    upstream: () => readFileSync(join(nginx, 'upstreams/web.conf'), 'utf8'),
    version: () => fetch(`${stack.url}/version`).then(async answer => (await answer.text()).trim()),
    /** What a person would have to do once. */
    pointNginx() {
      const addresses = plain
        .docker('compose', 'ps', '-q', 'web')
        .split('\n')
        .map(id =>
          plain.docker('inspect', '--format', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id),
        )
      const servers = addresses.map(address => `  server ${address}:8080;\n`)
      writeFileSync(join(nginx, 'upstreams/web.conf'), `upstream web {\n${servers.join('')}}\n`)
    },
    /** Requests through nginx, from before `work` begins until after it has ended. */
    async askedDuring<T>(work: () => Promise<T>): Promise<{ result: T; counts: Counts }> {
      const child = spawn(process.execPath, [COUNTER, `${stack.url}/version`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let out = ''
      await new Promise<void>(resolve =>
        child.stdout.setEncoding('utf8').on('data', text => {
          out += text
          if (out.includes('asking')) resolve()
        }),
      )
      const ended = new Promise(resolve => child.once('close', resolve))
      try {
        const result = await work()
        await new Promise(resolve => setTimeout(resolve, 300))
        child.kill('SIGTERM')
        await ended
        return { result, counts: JSON.parse(out.slice(out.indexOf('{'))) as Counts }
      } finally {
        child.kill('SIGKILL')
      }
    },
    remove() {
      if (!caddy) spawnSync(NGINX!, ['-p', nginx, '-c', `${nginx}/nginx.conf`, '-s', 'stop'])
      plain.remove()
      const named = spawnSync('docker', ['image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'], {
        encoding: 'utf8',
      })
      const ours = named.stdout.split('\n').filter(name => name.startsWith(`${plain.project}-`))
      if (ours.length > 0) spawnSync('docker', ['rmi', '-f', ...ours])
    },
  }
  try {
    stack.compose('up', '-d', '--build')
    if (!caddy) {
      stack.pointNginx()
      nginxOf()
    }
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
