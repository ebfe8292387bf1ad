/** A host with runs, whose node host may start them through the launcher: what an OpenClaw node is for hostops. */
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { elfLauncher } from '../../src/app/openclaw/elf-launcher.ts'
import { hostRig } from './host.ts'
import { HOSTOPS, hostopsRig } from './hostops.ts'
import { NOBODY, NODE_NAME, openclawRig, type Release } from './openclaw-gateway.ts'
import type { Operator } from './openclaw-operator.ts'
import { makeService } from './service.ts'

export const TARGET = `node:${NODE_NAME}`

export type NodeHostRig = Awaited<ReturnType<typeof nodeHostRig>>

/** `mcp`: the node host starts `hostops mcp` for its agents. */
type Options = { release: Release; gatewayConfig?: object; mcp?: boolean }

export async function nodeHostRig({ mcp = false, ...options }: Options) {
  const rig = hostopsRig()
  // The node host reaches the launcher, the daemon and its token, and nothing else in there.
  chmodSync(rig.folder, 0o711)
  const service = await makeService(rig.folder)
  // Of runs that the node's own user starts as well.
  const back = rig.path('back')
  const host = await hostRig(rig, { policy: {}, config: { unix_mode: '0666' } })
  const playbooks = playbooksFor({ folder: rig.folder, back, ...service })
  host.writePolicy(
    Object.entries(playbooks).map(([name, { steps, ...more }]) => ({
      name,
      digest: `sha256:${host.install(name, steps, more)}`,
    })),
  )
  await host.kill('SIGTERM')
  await host.start()
  const { trigger, daemon } = launcher(rig.folder, host.folder)
  writeFileSync(rig.path('hostops.config.yaml'), JSON.stringify({ nodes: { [NODE_NAME]: { trigger } } }))
  const nodeConfig = mcp ? { nodeHost: { autoUpdate: { enabled: false }, mcp: mcpConfig(daemon) } } : {}
  const openclaw = await openclawRig({ ...options, nodeConfig })
  /** Connected for that long only: while an operator is there, an approval has somebody to ask. */
  const asOperator = async <T>(work: (operator: Operator) => Promise<T>): Promise<T> => {
    const operator = await openclaw.operator()
    try {
      return await work(operator)
    } finally {
      operator.close()
    }
  }
  const nodeId = await asOperator(openclaw.pair)
  const env = { ...openclaw.env, HOSTOPS_STATE_DIR: rig.path('client-state') }
  return {
    ...{ rig, host, service, openclaw, nodeId, trigger, env, asOperator },
    allow: (rules: object) => asOperator(operator => openclaw.allow(operator, nodeId, rules)),
    /** hostops with the node as its target. */
    at: (...args: string[]) => rig.run([...args, '--target', TARGET], { env }),
    begin: (...args: string[]) => rig.start([...args, '--target', TARGET], { env }),
    /** How often the gate was really run. */
    counted: () => (rig.exists('count') ? rig.read('count').trim().split('\n').length : 0),
    /** How often the daemon was asked for that. */
    asked: (action: string, runId: string) =>
      readFileSync(join(host.folder, 'output', 'audit.ndjson'), 'utf8')
        .split('\n')
        .filter(line => line.includes(`"action":"${action}"`) && line.includes(`"run_id":"${runId}"`)).length,
    letGo: () => writeFileSync(rig.path('go'), ''),
    /** The undo of `slow-back`, which waits in the middle. */
    undo: {
      prepare() {
        rmSync(back, { recursive: true, force: true })
        mkdirSync(back)
        chownSync(back, NOBODY, NOBODY)
      },
      hasStarted: () => rig.exists('back/started'),
      letGo: () => writeFileSync(join(back, 'go'), ''),
      isDone: () => rig.exists('back/done'),
    },
    /** A program like the launcher that is hostops itself, for runs of the node's own user. */
    hostops: nativeFile(
      rig.path('own-hostops'),
      [HOSTOPS],
      {
        HOSTOPS_STATE_DIR: join(openclaw.node.home, 'runs'),
        PATH: process.env['PATH']!,
      },
      { letters: 'abcdfghijklmnopqrstuvwxyz' },
    ),
    fileOf: (playbook: string) => join(host.folder, 'playbooks', `${playbook}.yaml`),
    async stop() {
      await openclaw.stop()
      service.stop()
      await host.stop()
      await rig.remove()
    },
  }
}

/** A native file of root's, which carries the way to the daemon in itself. */
function launcher(folder: string, host: string) {
  const [script, token] = ['trigger.cjs', 'node-token'].map(name => join(folder, name))
  copyFileSync(join(dirname(HOSTOPS), 'hostops-trigger.cjs'), script!)
  copyFileSync(join(host, 'agent-token'), token!)
  chownSync(token!, NOBODY, NOBODY)
  const daemon = { HOSTLINK_SOCKET: join(host, 's'), HOSTLINK_TOKEN_FILE: token! }
  return { trigger: nativeFile(join(folder, 'hostops-trigger'), [script!], daemon), daemon }
}

/** `letters`: none for hostops-trigger, which is what a launcher is for. */
function nativeFile(
  file: string,
  words: readonly string[],
  env: Record<string, string>,
  letters: { letters?: string } = {},
): string {
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64'
  writeFileSync(file, elfLauncher({ arch, program: process.execPath, words, env, ...letters }), {
    mode: 0o755,
  })
  return file
}

const mcpConfig = (env: object) => ({
  servers: { hostops: { command: process.execPath, args: [HOSTOPS, 'mcp', '--target', 'hostlink'], env } },
})

const playbooksFor = (service: {
  folder: string
  back: string
  checkout: string
  restart: string
  baseUrl: string
}): Record<string, { steps: object[]; inputs?: object }> => {
  const upgrade = (ref: string) => ({
    steps: [
      { uses: 'git.checkout', with: { repo: service.checkout, ref } },
      { id: 'restart', run: [service.restart], reactivate: true },
      {
        uses: 'health.poll',
        with: { urls: [`${service.baseUrl}/healthz`, `${service.baseUrl}/readyz`], timeout: '3s', for: '1s' },
      },
    ],
  })
  const script = (id: string, text: string, more: object = {}) => ({
    ...{ id, run: ['sh', '-c', text], effect: 'read' },
    ...more,
  })
  const { back } = service
  return {
    greet: {
      inputs: { text: { type: 'string' } },
      steps: [{ id: 'greet', run: ['echo', '${{ inputs.text }}'], effect: 'read' }],
    },
    'upgrade-v2': upgrade('v2'),
    'upgrade-v3': upgrade('v3'),
    gate: {
      steps: [
        script('count', `echo x >> ${service.folder}/count`, { effect: 'write', undo: ['true'] }),
        script('gate', `until test -e ${service.folder}/go; do sleep 0.1; done; echo passed`),
      ],
    },
    rest: { steps: [script('rest', 'echo resting; sleep 25; echo rested')] },
    long: { steps: [script('sleep', 'sleep 75; echo rested')] },
    'slow-back': {
      steps: [
        script('change', 'true', {
          effect: 'write',
          undo: ['sh', '-c', `cd ${back}; touch started; until test -e go; do sleep 0.1; done; touch done`],
          verify: ['test', '-e', `${back}/done`],
        }),
        script('fails', 'exit 1'),
      ],
    },
    noise: { steps: [script('noise', 'seq 1 40000')] },
    sure: { steps: [{ id: 'sure', uses: 'confirm', with: { within: '5m' } }] },
  }
}
