/** A real OpenClaw gateway on loopback and a real node host as `nobody`, each with folders of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openDevice } from '../../src/openclaw/device.ts'
import { poll } from './hostops.ts'
import { notTested } from './not-tested.ts'
import { type Operator, operatorAt } from './openclaw-operator.ts'
import { freePort } from './service.ts'

export const RELEASES = { old: '2026.4.20', new: '2026.9.6' } as const
export type Release = (typeof RELEASES)[keyof typeof RELEASES]
export type OpenclawRig = Awaited<ReturnType<typeof openclawRig>>

export const CACHE = process.env['HOSTOPS_OPENCLAW_CACHE'] ?? '/var/cache/hostops-openclaw'
const INSTALL = fileURLToPath(new URL('../openclaw/install.sh', import.meta.url))
export const NODE = join(CACHE, 'node24', 'node')
const TOKEN = 'gateway-token-0123456789abcdef'
export const NODE_NAME = 'desk'
export const NOBODY = 65_534
/** A gateway that is started for the first time on a busy machine. */
const START_MS = 240_000

type Options = {
  release: Release
  /** Further keys of the gateway's and the node host's configuration. */
  gatewayConfig?: object
  nodeConfig?: object
}

/** Null where it can be tested; else why not. */
export const whyNoOpenclaw = (release: Release): string | null =>
  process.getuid?.() === 0
    ? whyNotInstalled(release)
    : notTested('OpenClaw: only root can start a node host as nobody')

/** The first call installs the release. */
export function whyNotInstalled(release: Release): string | null {
  try {
    execFileSync('bash', [INSTALL, release], { stdio: ['ignore', 'ignore', 'pipe'], timeout: 900_000 })
    return null
  } catch (error) {
    return notTested(`OpenClaw: it cannot be installed: ${(error as Error).message}`)
  }
}

export async function openclawRig({ release, gatewayConfig, nodeConfig = {} }: Options) {
  const folder = mkdtempSync(join(tmpdir(), 'oc-'))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const url = `ws://127.0.0.1:${port}`
  const gateway = program('gateway', {
    release,
    folder,
    uid: 0,
    args: ['gateway', 'run', '--port', `${port}`],
  })
  gateway.configure({
    gateway: {
      ...{ mode: 'local', bind: 'loopback', port, auth: { mode: 'token', token: TOKEN } },
      // Believed, if it says that a client is on another machine.
      trustedProxies: ['127.0.0.1'],
    },
    browser: { enabled: false },
    discovery: { mdns: { mode: 'off' } },
    tools: { exec: { notifyOnExit: false } },
    ...gatewayConfig,
  })
  const nodeArgs = ['node', 'run', '--host', '127.0.0.1', '--port', `${port}`, '--display-name', NODE_NAME]
  const node = program('node', { release, folder, uid: NOBODY, args: nodeArgs })
  node.configure(nodeConfig)

  const startGateway = async () => {
    gateway.start()
    const isReady = async () => {
      if (!gateway.lives()) throw new Error(`the gateway ended:\n${gateway.log()}`)
      return (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok === true
    }
    await until(isReady, gateway.log)
  }
  const rig = {
    folder,
    url,
    port,
    token: TOKEN,
    /** For hostops. */
    env: { OPENCLAW_GATEWAY_URL: url, OPENCLAW_GATEWAY_TOKEN: TOKEN },
    gateway: { ...gateway, start: startGateway },
    node,
    operator: () => operatorAt(url, TOKEN),
    /** Somebody else, with an identity of their own, whom the gateway asks for approvals. */
    approver: (name: string) =>
      operatorAt(url, TOKEN, { name, approverKey: openDevice(join(folder, name.replaceAll(' ', '-'))) }),
    /** Approves what waits, until the node can be asked to run commands. Answers its id. */
    async pair(operator: Operator): Promise<string> {
      let nodeId = ''
      await until(async () => {
        await approvePending(operator)
        const { nodes } = await operator.request<{ nodes: NodeRow[] }>('node.list')
        const found = nodes.find(each => each.displayName === NODE_NAME && each.connected)
        nodeId = found?.commands?.includes('system.run') ? found.nodeId : ''
        // The gateway may list it a moment before it passes anything on.
        return (
          nodeId !== '' && (await operator.request('exec.approvals.node.get', { nodeId }).catch(() => null))
        )
      }, node.log)
      return nodeId
    },
    /** Sets what the node lets the agent `main` run. */
    async allow(operator: Operator, nodeId: string, rules: object): Promise<void> {
      const { hash } = await operator.request<{ hash?: string }>('exec.approvals.node.get', { nodeId })
      const file = { version: 1, defaults: { security: 'deny', ask: 'off' }, agents: { main: rules } }
      await operator.request('exec.approvals.node.set', { nodeId, file, ...(hash ? { baseHash: hash } : {}) })
    },
    async stop() {
      await Promise.all([node.stop(), gateway.stop()])
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  await startGateway()
  node.start()
  return rig
}

type NodeRow = { nodeId: string; displayName?: string; connected?: boolean; commands?: string[] }

async function approvePending(operator: Operator): Promise<void> {
  for (const kind of ['device.pair', 'node.pair']) {
    const { pending } = await operator.request<{ pending: { requestId: string }[] }>(`${kind}.list`)
    // What comes from loopback may have been approved by the gateway itself meanwhile.
    for (const { requestId } of pending)
      await operator.request(`${kind}.approve`, { requestId }).catch(() => {})
  }
}

type Program = {
  release: Release
  folder: string
  uid: number
  args: readonly string[]
}

/** One of OpenClaw's two programs, with a home, a state folder and a configuration of its own. */
function program(name: string, { release, folder, uid, args }: Program) {
  const home = join(folder, name)
  const configFile = join(home, 'openclaw.json')
  const temporary = join(home, 'tmp')
  for (const each of [home, temporary]) {
    mkdirSync(each, { mode: 0o700 })
    chownSync(each, uid, uid)
  }
  let child: ChildProcess | null = null
  let log = ''
  const lives = () => child !== null && child.exitCode === null && child.signalCode === null
  return {
    home,
    log: () => log,
    lives,
    pid: () => child?.pid ?? 0,
    configure(config: object) {
      const common = { plugins: { enabled: false }, logging: { file: join(home, 'log') } }
      writeFileSync(configFile, JSON.stringify({ ...common, ...config }))
      chownSync(configFile, uid, uid)
    },
    start() {
      const entry = join(CACHE, release, 'node_modules/openclaw/openclaw.mjs')
      const asUser = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups']
      child = spawn('setpriv', [...asUser, NODE, entry, ...args], {
        cwd: home,
        // A group of its own: all that it starts ends with it.
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...{ PATH: process.env['PATH'], TMPDIR: temporary, LANG: 'C.UTF-8', HOME: home },
          ...{ OPENCLAW_STATE_DIR: join(home, 'state'), OPENCLAW_CONFIG_PATH: configFile },
          ...{ OPENCLAW_GATEWAY_TOKEN: TOKEN, OPENCLAW_NO_RESPAWN: '1' },
          // The older release installs what its plugins need, and answers nobody until npm has given up.
          npm_config_offline: 'true',
        },
      })
      for (const stream of [child.stdout!, child.stderr!])
        stream.setEncoding('utf8').on('data', text => {
          log += text
        })
    },
    async stop(signal: NodeJS.Signals = 'SIGKILL') {
      if (lives()) process.kill(-child!.pid!, signal)
      await poll(() => !lives())
    },
  }
}

async function until(condition: () => Promise<unknown>, log: () => string): Promise<void> {
  for (const end = Date.now() + START_MS; !(await condition()); ) {
    if (Date.now() > end) throw new Error(`what was waited for never came:\n${log()}`)
    await new Promise(resolve => setTimeout(resolve, 250))
  }
}
