/**
 * A stack whose gateway is a real one: git has its releases, Compose builds an image from the one that is checked out, and the
 * agent in the container asks the host for an upgrade through `hostops mcp` and a mounted socket. An image has a Node and what
 * says which release it is; the release's 650 MB are mounted.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gitIn } from './crash-service.ts'
import { removeHolders } from './docker.ts'
import { hostRig } from './host.ts'
import { HOSTOPS, hostopsRig } from './hostops.ts'
import { CACHE, RELEASES } from './openclaw-gateway.ts'
import { type Operator, operatorAt } from './openclaw-operator.ts'
import { freePort } from './service.ts'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const TOKEN = 'gateway-token-0123456789abcdef'
const IMAGE = 'hostops-node24:1'
const SERVICE = 'openclaw-gateway'
const START_MS = 240_000

/** `modelConfig`: keys of the gateway's configuration. */
export async function containerRig(modelConfig: object) {
  execFileSync('bash', [at('../docker/node-image.sh'), IMAGE, 'node', '-e', '0'], {
    env: { ...process.env, PATH: `${join(CACHE, 'node24')}:${process.env['PATH']}` },
    stdio: 'pipe',
  })
  const rig = hostopsRig()
  const host = await hostRig(rig, { policy: {} })
  const port = await freePort()
  const [upstream, dir, state] = [rig.path('upstream'), rig.path('openclaw'), rig.path('state')]
  const project = rig.folder.split('/').at(-1)!.toLowerCase()
  const url = `http://127.0.0.1:${port}`
  makeUpstream(upstream, rig.folder, project)
  gitIn(rig.folder, rig.folder)('clone', '-q', upstream, dir)
  const git = gitIn(dir, rig.folder)
  git('checkout', '-q', '--detach', `v${RELEASES.old}`)

  const server = {
    command: 'node',
    args: [`/hostops/${HOSTOPS.split('/').at(-1)}`, 'mcp', '--target', 'hostlink'],
    env: { HOSTLINK_SOCKET: '/host/s', HOSTLINK_TOKEN_FILE: '/host/agent-token' },
  }
  const config = {
    gateway: { mode: 'local', bind: 'loopback', port, auth: { mode: 'token', token: TOKEN } },
    browser: { enabled: false },
    discovery: { mdns: { mode: 'off' } },
    plugins: { enabled: false },
    mcp: { servers: { hostops: server } },
    ...modelConfig,
  }
  mkdirSync(state, { mode: 0o700 })
  writeFileSync(join(state, 'openclaw.json'), JSON.stringify(config))
  const env = {
    COMPOSE_PROJECT_NAME: project,
    OPENCLAW_CONFIG_DIR: state,
    OPENCLAW_GATEWAY_PORT: port,
    OPENCLAW_GATEWAY_TOKEN: TOKEN,
    OPENCLAW_RELEASES: CACHE,
    HOSTOPS: dirname(HOSTOPS),
    HOSTLINK: host.folder,
  }
  const lines = Object.entries(env).map(([key, value]) => `${key}=${value}\n`)
  writeFileSync(join(dir, '.env'), lines.join(''))
  const shipped = readFileSync(at('../../playbooks/upgrade-openclaw.yaml'))
  writeFileSync(join(host.folder, 'playbooks/upgrade-openclaw.yaml'), shipped)
  const digest = `sha256:${createHash('sha256').update(shipped).digest('hex')}`
  const pinned = { repoPath: dir, composePath: dir, gatewayBaseUrl: url, statePath: state, ...PINNED }
  host.writePolicy([{ name: 'upgrade-openclaw', digest, pinned }])
  await host.kill('SIGTERM')
  await host.start()
  const docker = (...args: string[]) =>
    execFileSync('docker', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()

  const stack = {
    ...{ rig, host, state, docker },
    container: () => docker('compose', 'ps', '-q', SERVICE),
    logs: () => spawnSync('docker', ['logs', stack.container()], { encoding: 'utf8' }).stdout,
    release: () =>
      JSON.parse(docker('exec', stack.container(), 'cat', '/app/package.json')).version as string,
    async isReady() {
      for (const end = Date.now() + START_MS; ; await new Promise(resolve => setTimeout(resolve, 250))) {
        if ((await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) }).catch(() => null))?.ok)
          return
        if (Date.now() > end) throw new Error(`the gateway never became ready:\n${stack.logs()}`)
      }
    },
    /** hostops with the host's own token. */
    asOwner: (...words: string[]) => rig.run([...words, '--target', 'hostlink'], { env: host.env }),
    async asOperator<T>(work: (operator: Operator) => Promise<T>): Promise<T> {
      const operator = await operatorAt(url.replace('http', 'ws'), TOKEN)
      try {
        return await work(operator)
      } finally {
        operator.close()
      }
    },
    async stop() {
      spawnSync('docker', ['compose', 'down', '-t', '1', '--remove-orphans'], { cwd: dir })
      removeHolders(`label=hostops.project=${project}`)
      const ids = docker('image', 'ls', '-a', '-q', '--filter', `label=of=${project}`)
      if (ids !== '') docker('rmi', '-f', ...new Set(ids.split('\n')))
      await host.stop()
      await rig.remove()
    },
  }
  docker('compose', '--progress', 'quiet', 'up', '-d', '--build')
  return stack
}

/** All but `ref`. */
const PINNED = {
  ...{ imageFrom: 'compose', image: '', serviceName: SERVICE, healthTimeout: '4m', allowPowers: '' },
  ...{ allowDirty: false, rollbackOnFailure: true },
}

/** What breaks down, and the two releases: a tag for each. */
function makeUpstream(folder: string, home: string, project: string): void {
  mkdirSync(folder)
  const git = gitIn(folder, home)
  git('init', '-q', '-b', 'main')
  const commit = (tag: string, release: string, command: readonly string[]) => {
    const files = {
      'compose.yaml': COMPOSE,
      '.gitignore': '.env\n',
      // What a checkout of OpenClaw has that counts here.
      'package.json': readFileSync(join(CACHE, release, 'node_modules/openclaw/package.json'), 'utf8'),
      Dockerfile: `FROM ${IMAGE}\nLABEL of=${project}\nCOPY package.json /app/\nCMD ${JSON.stringify(command)}\n`,
    }
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
    git('add', '-A')
    git('commit', '-qm', tag)
    git('tag', tag)
  }
  const run = (release: string) => [
    'sh',
    '-c',
    `exec node /releases/${release}/node_modules/openclaw/openclaw.mjs gateway run --port $OPENCLAW_GATEWAY_PORT`,
  ]
  commit(`v${RELEASES.old}`, RELEASES.old, run(RELEASES.old))
  commit('vbad', RELEASES.new, ['sh', '-c', 'echo "panic: out of cards" >&2; exit 7'])
  commit(`v${RELEASES.new}`, RELEASES.new, run(RELEASES.new))
}

/** On the host's network: there the token alone has its scopes, and the model of the test is reached. */
const COMPOSE = `services:
  ${SERVICE}:
    build: { context: ., network: none }
    network_mode: host
    init: true
    restart: unless-stopped
    stop_grace_period: 5s
    environment:
      HOME: /home/node
      OPENCLAW_GATEWAY_PORT: \${OPENCLAW_GATEWAY_PORT}
      OPENCLAW_GATEWAY_TOKEN: \${OPENCLAW_GATEWAY_TOKEN}
      OPENCLAW_NO_RESPAWN: "1"
      npm_config_offline: "true"
    volumes:
      - \${OPENCLAW_CONFIG_DIR}:/home/node/.openclaw
      - \${OPENCLAW_RELEASES}:/releases:ro
      - \${HOSTOPS}:/hostops:ro
      - \${HOSTLINK}:/host
`
