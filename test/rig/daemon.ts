/** The real hostlinkd (dist/hostlinkd.js of this checkout) on a scratch folder. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const HOSTLINKD = fileURLToPath(new URL('../../dist/hostlinkd.js', import.meta.url))

export type RigOptions = {
  /** Further keys of hostlink.conf; they win over the rig's own. */
  readonly config?: Readonly<Record<string, string | number | boolean>>
  readonly env?: Readonly<Record<string, string>>
}

export type DaemonRig = {
  readonly socket: string
  readonly token: string
  readonly pid: number
  /** Everything lives here: config, socket, pid file, output. Removed by `stop`. */
  readonly folder: string
  readonly configFile: string
  readonly pidFile: string
  readonly outputFolder: string
  /** What the daemon has logged so far. */
  log(): string
  signal(signal: NodeJS.Signals): void
  /** The code that it exited with, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  /** Ends it (SIGTERM, and SIGKILL when that takes too long) and removes the folder. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const START_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 15_000

export async function startDaemonRig({ config = {}, env = {} }: RigOptions = {}): Promise<DaemonRig> {
  if (!existsSync(HOSTLINKD)) throw new Error(`${HOSTLINKD} is not built: node src/build/bundle.mjs`)
  const folder = mkdtempSync(join(tmpdir(), 'hostlinkd-'))
  const token = 'rig-token-0123456789abcdef'
  const socket = String(config['unix_path'] ?? join(folder, 'hostlink.sock'))
  const configFile = join(folder, 'hostlink.conf')
  const pidFile = join(folder, 'hostlinkd.pid')
  const outputFolder = join(folder, 'output')
  const keys = {
    node_name: 'rig',
    auth_token: token,
    unix_path: socket,
    output_tmpdir: outputFolder,
    runs_state_dir: join(folder, 'state'),
    ...config,
  }
  writeConfig(configFile, keys)

  const child = spawn(process.execPath, [HOSTLINKD, '-f', '-c', configFile, '-p', pidFile], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  })
  let log = ''
  child.stderr.on('data', chunk => {
    log += chunk
  })
  const ended = new Promise<number | NodeJS.Signals>(resolve =>
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 0)),
  )
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  const stop = async () => {
    if (!hasEnded()) child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await ended
    clearTimeout(timer)
    rmSync(folder, { recursive: true, force: true })
  }
  for (const end = Date.now() + START_LIMIT_MS; !log.includes('hostlinkd listens on'); ) {
    if (hasEnded() || Date.now() > end) {
      await stop()
      throw new Error(`the daemon does not start:\n${log}`)
    }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return {
    socket,
    token,
    pid: child.pid!,
    folder,
    configFile,
    pidFile,
    outputFolder,
    log: () => log,
    signal: signal => void child.kill(signal),
    ended,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

export function writeConfig(file: string, keys: Readonly<Record<string, string | number | boolean>>): void {
  const lines = Object.entries(keys).map(([key, value]) => `${key} = ${value}\n`)
  writeFileSync(file, lines.join(''), { mode: 0o600 })
}

/** Changes keys of a config that is there, for a reload. */
export function changeConfig(file: string, keys: Readonly<Record<string, string | number | boolean>>): void {
  const before = readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map(line => line.split(' = ') as [string, string])
  writeConfig(file, { ...Object.fromEntries(before), ...keys })
}
