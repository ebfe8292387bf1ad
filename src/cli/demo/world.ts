/** The scratch world of the demo: a git repository with three versions, a host's checkout of it, a daemon. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export type World = {
  folder: string
  /** The host's checkout. */
  checkout: string
  baseUrl: string
  restart: string
  env: NodeJS.ProcessEnv
  /** Stops what was started and removes the folder; safe to call at any time and twice. */
  remove(): Promise<void>
}

const VERSIONS = [
  { tag: 'v1', ready: true },
  { tag: 'v2', ready: true },
  { tag: 'v3', ready: false },
] as const

export async function makeWorld(dist: string): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-demo-'))
  chmodSync(folder, 0o700)
  const pidFile = join(folder, 'service.pid')
  let daemon: ChildProcess | null = null
  const remove = async () => {
    await stop(daemon)
    endService(pidFile)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    const port = await freePort()
    const upstream = makeUpstream(join(folder, 'upstream'))
    const checkout = join(folder, 'host', 'app')
    git(folder, 'clone', '--quiet', upstream, checkout)
    git(checkout, 'checkout', '--quiet', '--detach', 'v1')
    const restart = writeRestart(folder, checkout, port, pidFile)
    execFileSync(restart)
    const link = writeDaemonConfig(folder)
    daemon = await startDaemon(join(dist, 'hostlinkd.js'), link)
    return {
      folder,
      checkout,
      baseUrl: `http://127.0.0.1:${port}`,
      restart,
      env: {
        ...process.env,
        HOSTLINK_SOCKET: link.socket,
        HOSTLINK_TOKEN_FILE: link.token,
        HOSTOPS_STATE_DIR: join(folder, 'state'),
      },
      remove,
    }
  } catch (error) {
    await remove()
    throw error
  }
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

export const headOf = (checkout: string) => git(checkout, 'describe', '--tags', '--always', 'HEAD').trim()

function makeUpstream(folder: string): string {
  mkdirSync(folder)
  git(folder, 'init', '--quiet', '--initial-branch', 'main')
  for (const { tag, ready } of VERSIONS) {
    writeFileSync(join(folder, 'service.mjs'), serviceText(tag, ready))
    git(folder, 'add', '.')
    git(folder, 'commit', '--quiet', '--message', `service: ${tag}`)
    git(folder, 'tag', tag)
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
  const env = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' }
  return execFileSync('git', [...settings.flatMap(one => ['-c', one]), ...args], {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

const serviceText = (version: string, ready: boolean) => `import { createServer } from 'node:http'
const ready = ${ready} // v3 starts, and never becomes ready: what an exit code does not tell
createServer((request, response) => {
  if (request.url === '/readyz' && !ready) response.statusCode = 503
  response.end('this is ${version}\\n')
}).listen(Number(process.env.PORT), '127.0.0.1')
`

/** What an init system would do: end the old process, start the new one, leave it running. */
function writeRestart(folder: string, checkout: string, port: number, pidFile: string): string {
  const program = join(folder, 'restart.mjs')
  writeFileSync(
    program,
    `import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
try { process.kill(Number(readFileSync(${JSON.stringify(pidFile)}, 'utf8'))) } catch {}
const env = { ...process.env, PORT: '${port}' }
const child = spawn(process.execPath, [${JSON.stringify(join(checkout, 'service.mjs'))}], { env, detached: true, stdio: 'ignore' })
writeFileSync(${JSON.stringify(pidFile)}, String(child.pid))
child.unref()
`,
  )
  const restart = join(folder, 'restart')
  writeFileSync(restart, `#!/bin/sh\nexec '${process.execPath}' '${program}'\n`, { mode: 0o755 })
  return restart
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
    `audit_log = ${join(place, 'audit.log')}`,
    'log_level = error',
  ]
  writeFileSync(files.config, `${lines.join('\n')}\n`, { mode: 0o600 })
  return files
}

async function startDaemon(program: string, files: LinkFiles): Promise<ChildProcess> {
  const daemon = spawn(process.execPath, [program, '--foreground', '--config', files.config], {
    stdio: ['ignore', 'ignore', 'inherit'],
    // Ctrl-C is for the demo and the run; the daemon is stopped when both have ended.
    detached: true,
  })
  for (let tries = 0; tries < 100 && daemon.exitCode === null; tries += 1) {
    if (existsSync(files.socket)) return daemon
    await sleep(50)
  }
  await stop(daemon)
  throw new Error('hostlinkd did not start')
}

async function stop(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(late)
}

function endService(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')))
  } catch {
    // Not started, or ended.
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
