/** The scratch world of the demo: a git repository with three versions, a host's checkout of it, a daemon. */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa, execaSync } from 'execa'
import { composeService } from './compose-service.ts'
import { standInForCurl } from './curl.ts'
import { processService } from './process-service.ts'
import { type Service, VERSIONS } from './service.ts'

export type World = {
  service: Service
  /** Why no Compose stack is shown; null when one is. */
  whyNoCompose: string | null
  /** A program of the demo answers in place of curl, which is not here. */
  hasOwnCurl: boolean
  /** The host's checkout. */
  checkout: string
  baseUrl: string
  env: NodeJS.ProcessEnv
  /** Stops what was started and removes the folder; safe to call at any time and twice. */
  remove(): Promise<void>
}

/** `onMade` is told before anything is started, so that an end at any moment can take it away again. */
export async function makeWorld(
  packageRoot: string,
  onMade: (remove: World['remove']) => void,
): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-demo-'))
  chmodSync(folder, 0o700)
  const port = await freePort()
  const compose = composeService(folder, port, join(packageRoot, 'playbooks'))
  const service =
    typeof compose === 'string' ? processService(folder, port, join(packageRoot, 'examples')) : compose
  let daemon: Daemon | null = null
  const remove = async () => {
    await daemon?.stop()
    service.remove()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  onMade(remove)
  const upstream = makeUpstream(join(folder, 'upstream'), service)
  const checkout = join(folder, 'host', 'app')
  git(folder, 'clone', '--quiet', upstream, checkout)
  git(checkout, 'checkout', '--quiet', '--detach', 'v1')
  service.start(checkout)
  const link = writeDaemonConfig(folder)
  const bin = standInForCurl(folder)
  const path = [bin, process.env['PATH']].filter(Boolean).join(delimiter)
  daemon = await startDaemon(join(packageRoot, 'dist', 'hostlinkd.js'), link, path)
  const env = {
    ...process.env,
    HOSTLINK_SOCKET: link.socket,
    HOSTLINK_TOKEN_FILE: link.token,
    HOSTOPS_STATE_DIR: join(folder, 'state'),
  }
  const whyNoCompose = typeof compose === 'string' ? compose : null
  const baseUrl = `http://127.0.0.1:${port}`
  return { service, whyNoCompose, hasOwnCurl: bin !== null, checkout, baseUrl, env, remove }
}

/** What answers at the moment, in the service's own words. */
export async function ask(url: string): Promise<string> {
  for (let tries = 0; tries < 50; tries += 1) {
    try {
      return (await (await fetch(url)).text()).trim()
    } catch {
      await sleep(100)
    }
  }
  return 'nothing answers'
}

export const headOf = (checkout: string) => git(checkout, 'describe', '--tags', '--always', 'HEAD')

function makeUpstream(folder: string, service: Service): string {
  mkdirSync(folder)
  git(folder, 'init', '--quiet', '--initial-branch', 'main')
  for (const version of VERSIONS) {
    if (version.tag !== 'v1') git(folder, 'rm', '--quiet', '-r', '.')
    for (const [name, text] of Object.entries(service.files(version))) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), text)
    }
    git(folder, 'add', '.')
    git(folder, 'commit', '--quiet', '--message', `service: ${version.tag}`)
    git(folder, 'tag', version.tag)
  }
  return folder
}

function git(cwd: string, ...args: string[]): string {
  const settings = [
    'user.name=demo',
    'user.email=demo@example.invalid',
    'commit.gpgsign=false',
    'tag.gpgsign=false',
  ]
  const env = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  const options = settings.flatMap(one => ['-c', one])
  return execaSync('git', [...options, ...args], { cwd, env, stdin: 'ignore' }).stdout
}

type LinkFiles = { socket: string; token: string; config: string }

function writeDaemonConfig(folder: string): LinkFiles {
  const place = join(folder, 'link')
  mkdirSync(place, { mode: 0o700 })
  const files = {
    socket: join(place, 'sock'),
    token: join(place, 'token'),
    config: join(place, 'hostlink.conf'),
  }
  const token = randomBytes(24).toString('hex')
  writeFileSync(files.token, `${token}\n`, { mode: 0o600 })
  const lines = [
    'node_name = demo',
    `auth_token = ${token}`,
    `unix_path = ${files.socket}`,
    'unix_mode = 0600',
    `output_tmpdir = ${join(place, 'output')}`,
    `runs_state_dir = ${join(place, 'runs')}`,
    `audit_log = ${join(place, 'audit.log')}`,
    'log_level = error',
  ]
  writeFileSync(files.config, `${lines.join('\n')}\n`, { mode: 0o600 })
  return files
}

type Daemon = { stop(): Promise<void> }

async function startDaemon(program: string, files: LinkFiles, path: string): Promise<Daemon> {
  const running = execa(process.execPath, [program, '--foreground', '--config', files.config], {
    env: { PATH: path },
    stdio: ['ignore', 'ignore', 'inherit'],
    // Ctrl-C is for the demo and the run; the daemon is stopped when both have ended.
    detached: true,
    reject: false,
  })
  /** With SIGKILL, if it has not ended 5 s later. */
  const stop = async () => {
    running.kill('SIGTERM')
    await running
  }
  for (let tries = 0; tries < 100 && running.exitCode === null; tries += 1) {
    if (existsSync(files.socket)) return { stop }
    await sleep(50)
  }
  await stop()
  throw new Error('hostlinkd did not start')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
