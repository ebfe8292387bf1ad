/** An engine of the test's own, to be stopped and filled up: nothing of the machine's engine is touched. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { poll } from './hostops.ts'
import { notTested } from './not-tested.ts'

export type PrivateEngine = {
  env: { DOCKER_HOST: string }
  /** At once, with what it manages; containers stop as they do when the machine loses power. */
  kill(): Promise<void>
  start(): Promise<void>
  remove(): Promise<void>
}

/** Null where one cannot be had (no root, no dockerd, no loop devices), which is a failure where one is required. */
export async function privateEngine(options: {
  megabytes: number
  /** Of dockerd. */
  args?: string[]
}): Promise<PrivateEngine | null> {
  const engine = await engineOn(options.megabytes, options.args ?? [])
  if (engine === null) notTested('no engine of its own (root, dockerd, loop devices)')
  return engine
}

async function engineOn(megabytes: number, args: string[]): Promise<PrivateEngine | null> {
  if (process.getuid?.() !== 0 || spawnSync('which', ['dockerd']).status !== 0) return null
  const folder = mkdtempSync(join(tmpdir(), 'hostops-engine-'))
  const at = (name: string) => join(folder, name)
  const disk = at('disk')
  const quietly = (program: string, ...args: string[]) =>
    spawnSync(program, args, { stdio: 'ignore' }).status === 0
  mkdirSync(disk)
  const bridge = `hops${process.pid}`.slice(0, 15)
  const address = `10.213.${process.pid % 250}.1/24`
  const ready =
    quietly('truncate', '-s', `${megabytes}M`, at('disk.img')) &&
    quietly('mkfs.ext4', '-q', '-m', '0', at('disk.img')) &&
    quietly('mount', '-o', 'loop', at('disk.img'), disk) &&
    quietly('ip', 'link', 'add', bridge, 'type', 'bridge') &&
    quietly('ip', 'addr', 'add', address, 'dev', bridge)
  if (!ready) {
    quietly('ip', 'link', 'del', bridge)
    quietly('umount', disk)
    rmSync(folder, { recursive: true, force: true })
    return null
  }
  const host = `unix://${at('docker.sock')}`
  const env = { DOCKER_HOST: host }
  const log = openSync(at('log'), 'a')
  let engine: ChildProcess | null = null

  const start = async () => {
    rmSync(at('docker.pid'), { force: true })
    const child = spawn(
      'dockerd',
      [
        ...['--data-root', disk, '--exec-root', at('exec'), '-H', host, '--pidfile', at('docker.pid')],
        // Not `none`: that removes docker0, which belongs to the machine's own engine.
        ...(process.env['HOSTOPS_ENGINE_CONFIG']
          ? ['--config-file', process.env['HOSTOPS_ENGINE_CONFIG']]
          : []),
        ...args,
        ...['--bridge', bridge, '--iptables=false', '--ip6tables=false', '--ip-masq=false'],
      ],
      { stdio: ['ignore', log, log] },
    )
    engine = child
    await poll(() => {
      if (child.exitCode !== null)
        throw new Error(`dockerd ended:\n${readFileSync(at('log'), 'utf8').slice(-2000)}`)
      return (
        spawnSync('docker', ['version'], { env: { ...process.env, ...env }, stdio: 'ignore' }).status === 0
      )
    })
  }
  const ended = (child: ChildProcess) => poll(() => child.exitCode !== null || child.signalCode !== null)
  const stop = async (signal: NodeJS.Signals) => {
    if (engine === null) return
    engine.kill(signal)
    await ended(engine)
    engine = null
  }
  /** dockerd's own containerd outlives a kill of its parent; it is ours by its folder. */
  const killRest = () => {
    const found = spawnSync('pgrep', ['-f', folder], { encoding: 'utf8' }).stdout.split('\n').filter(Boolean)
    for (const pid of found) spawnSync('kill', ['-9', pid])
  }
  await start()
  return {
    env,
    start,
    async kill() {
      await stop('SIGKILL')
      killRest()
    },
    async remove() {
      await stop('SIGTERM')
      killRest()
      const mounts = readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .map(line => line.split(' ')[1] ?? '')
      for (const mount of mounts.filter(each => each.startsWith(`${folder}/`)).reverse()) {
        spawnSync('umount', ['-l', mount])
      }
      quietly('ip', 'link', 'del', bridge)
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
