/** A private sshd on a loopback port, with keys of its own, that knows nothing of this machine's configuration. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { notTested } from './not-tested.ts'

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd'].find(existsSync)

/** Null when sshd can be started here; otherwise what a person has to do, for the name of a skipped test. */
export const sshdMissing: string | null =
  SSHD === undefined
    ? notTested('there is no sshd here; apt-get install openssh-server')
    : spawnSync('ssh', ['-V']).error
      ? notTested('there is no ssh client here; apt-get install openssh-client')
      : null

export type Sshd = {
  destination: string
  /** For HOSTOPS_SSH_CONFIG. */
  config: string
  folder: string
  port: number
  /** Kills every process that serves a connection, as a crash or a cut cable would. */
  killSessions(): void
  stop(): Promise<void>
}

export async function startSshd(extra: string[] = []): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'hostops-sshd-'))
  const file = (name: string) => join(folder, name)
  for (const name of ['host', 'user', 'stranger'])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)])
  const port = await freePort()
  // sshd of Debian wants this folder for the process that it separates its privileges with.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  writeFileSync(file('authorized_keys'), readFileSync(file('user.pub')), { mode: 0o600 })
  writeFileSync(
    file('sshd_config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${file('host')}`,
      `AuthorizedKeysFile ${file('authorized_keys')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin yes',
      'PidFile none',
      'LogLevel ERROR',
      // Durable commands keep their state there and not in the home of whoever runs the tests.
      `SetEnv XDG_STATE_HOME=${folder}`,
      ...extra,
      '',
    ].join('\n'),
  )
  const [kind, key] = readFileSync(file('host.pub'), 'utf8').split(' ')
  writeFileSync(file('known_hosts'), `[127.0.0.1]:${port} ${kind} ${key}\n`)
  writeFileSync(file('config'), clientConfig(folder, port, 'user'))
  writeFileSync(file('config-stranger'), clientConfig(folder, port, 'stranger'))
  const daemon = await listen(file('sshd_config'), port)
  return {
    destination: 'testhost',
    config: file('config'),
    folder,
    port,
    killSessions: () => {
      for (const pid of descendants(daemon.pid!)) tryKill(pid)
    },
    stop: async () => {
      for (const pid of descendants(daemon.pid!)) tryKill(pid)
      const ended = new Promise(resolve => daemon.once('exit', resolve))
      daemon.kill('SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const clientConfig = (folder: string, port: number, identity: string) => `Host testhost
  HostName 127.0.0.1
  Port ${port}
  User ${userInfo().username}
  IdentityFile ${join(folder, identity)}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${join(folder, 'known_hosts')}
  GlobalKnownHostsFile /dev/null
`

async function listen(config: string, port: number): Promise<ChildProcess> {
  const child = spawn(SSHD!, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr!.on('data', chunk => (said = (said + chunk).slice(-4000)))
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`sshd ended: ${said}`)
    if (spawnSync('ssh-keyscan', ['-T', '1', '-p', String(port), '127.0.0.1']).stdout.length > 0) return child
    await sleep(50)
  }
  throw new Error(`sshd does not answer: ${said}`)
}

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

/** Only sshd's own processes: what runs in the sessions must notice by itself. */
function descendants(daemon: number): number[] {
  const found: number[] = []
  for (const name of readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
      if (stat.includes('(sshd') && (parent === daemon || found.includes(parent))) found.push(Number(name))
    } catch {
      // It has ended.
    }
  }
  return found
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
