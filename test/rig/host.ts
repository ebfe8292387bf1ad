/** A host of its own: hostlinkd on a scratch folder, with runs, which can be killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HOSTLINKD, writeConfig } from './daemon.ts'
import { type HostopsRig, poll } from './hostops.ts'

export type HostRig = Awaited<ReturnType<typeof hostRig>>

const TOKEN = 'host-token-0123456789abcdef'
const AGENT = 'agent-token-0123456789abcdef'

type HostOptions = {
  policy?: object
  /** Further keys of hostlink.conf. */
  config?: Readonly<Record<string, string>>
}

/** In a folder of the client's rig, which removes it. */
export async function hostRig(rig: HostopsRig, { policy, config: more = {} }: HostOptions = {}) {
  const folder = rig.path('host')
  mkdirSync(join(folder, 'playbooks'), { recursive: true })
  const socket = join(folder, 's')
  const state = join(folder, 'state')
  const config = join(folder, 'hostlink.conf')
  const agentFile = join(folder, 'agent-token')
  const policyFile = join(folder, 'policy.yaml')
  writeFileSync(agentFile, AGENT, { mode: 0o600 })
  writeConfig(config, {
    node_name: 'host',
    auth_token: TOKEN,
    unix_path: socket,
    output_tmpdir: join(folder, 'output'),
    runs_state_dir: state,
    playbooks_dir: join(folder, 'playbooks'),
    ...(policy ? { policy_file: policyFile } : {}),
    ...more,
  })
  let child: ChildProcess
  let log = ''
  const env = { HOSTLINK_SOCKET: socket, HOSTLINK_TOKEN: TOKEN, HOSTOPS_STATE_DIR: rig.path('client-state') }

  const host = {
    folder,
    state,
    env,
    agentEnv: { ...env, HOSTLINK_TOKEN: AGENT },
    log: () => log,
    configFile: config,
    pid: () => child.pid!,
    lives: () => child.exitCode === null && child.signalCode === null,
    /** `wrap`: a program that starts it, with arguments. */
    async start(wrap: readonly string[] = []) {
      const [program, ...args] = [...wrap, process.execPath, HOSTLINKD, '-f', '-c', config]
      child = spawn(program!, args, {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { PATH: process.env['PATH'], HOME: rig.folder, TMPDIR: tmpdir(), LANG: 'C.UTF-8' },
      })
      let said = ''
      child.stderr!.on('data', chunk => {
        said += chunk
        log += chunk
      })
      await poll(() => said.includes('hostlinkd listens on') || child.exitCode !== null)
      if (child.exitCode !== null) throw new Error(`the daemon does not start:\n${said}`)
    },
    async kill(signal: NodeJS.Signals = 'SIGKILL') {
      child.kill(signal)
      await poll(() => !host.lives())
    },
    /** Of one installed playbook; answers its digest. */
    install(name: string, steps: readonly object[], more: object = {}): string {
      const text = JSON.stringify({ hostops: 1, name, ...more, steps })
      writeFileSync(join(folder, 'playbooks', `${name}.yaml`), text)
      return createHash('sha256').update(text).digest('hex')
    },
    writePolicy(playbooks: readonly object[]) {
      const agent = { token_file: agentFile, policy: 'playbooks', playbooks }
      writeFileSync(policyFile, JSON.stringify({ tokens: { agent } }), { mode: 0o600 })
    },
    runFolder: (id: string) => join(state, 'runs', id),
    journal: (id: string) => {
      const file = join(state, 'runs', id, 'journal.ndjson')
      return existsSync(file) ? readFileSync(file, 'utf8') : ''
    },
    runner: (id: string): number => JSON.parse(readFileSync(join(state, 'runs', id, 'run.json'), 'utf8')).pid,
    jobs: () => readdirSync(join(folder, 'output', 'jobs')).filter(name => !name.startsWith('.')),
    /** The runners end with their playbooks; whatever is left is ended here. */
    async stop() {
      await host.kill('SIGTERM')
      const runs = join(state, 'runs')
      for (const id of existsSync(runs) ? readdirSync(runs) : []) {
        if (existsSync(join(runs, id, 'report.json'))) continue
        try {
          process.kill(host.runner(id), 'SIGKILL')
        } catch {
          // It is gone.
        }
      }
    },
  }
  if (policy) host.writePolicy([])
  await host.start()
  return host
}
