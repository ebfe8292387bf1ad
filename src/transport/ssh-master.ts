/** The one kept connection: a master of the system's ssh client, which ends when this process does. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type SshProblem, sshProblem } from './ssh-problem.ts'

export type SshSettings = {
  destination: string
  env: Readonly<Record<string, string | undefined>>
  connectTimeoutMs: number
}

export type Master = {
  isOpen(): boolean
  /** Arguments for a session over this connection, up to and without the remote command. */
  sessionArgs(log: string): string[]
  /** A name for one session's log. */
  logFile(): string
  /** Sessions that run end with it. */
  close(): Promise<void>
}

export type OpenedMaster = { ok: true; master: Master } | ({ ok: false } & SshProblem)

/** A socket's whole path has room for about 100 bytes, and ssh adds 17 to it for a while. */
const LONGEST_SOCKET_FOLDER = 70

export async function openMaster(settings: SshSettings, signal?: AbortSignal): Promise<OpenedMaster> {
  const base = tmpdir().length < LONGEST_SOCKET_FOLDER ? tmpdir() : '/tmp'
  const folder = mkdtempSync(join(base, 'hostops-ssh-'))
  const log = join(folder, 'log')
  const control = join(folder, 'c')
  const nonce = randomBytes(16).toString('hex')
  const common = [
    ...configOf(settings),
    '-T',
    '-x',
    '-o',
    'BatchMode=yes',
    '-o',
    'LogLevel=ERROR',
    '-o',
    'RemoteCommand=none',
  ]
  // Its standard input is ours: when this process dies, however it dies, the far end of `cat` and the master end.
  const args = [
    ...common,
    ...['-M', '-S', control, '-o', 'ControlPersist=no', '-o', 'ClearAllForwardings=yes', '-E', log],
    ...['-o', `ConnectTimeout=${Math.max(1, Math.ceil(settings.connectTimeoutMs / 1000))}`],
    ...['-o', 'ServerAliveInterval=5', '-o', 'ServerAliveCountMax=3', '--', settings.destination, 'exec cat'],
  ]
  const child = startSsh(args, settings.env)
  child.stdin!.on('error', () => {})
  child.stdin!.write(`${nonce}\n`)
  const problem = await greeting(child, nonce, log, settings.connectTimeoutMs + 10_000, signal)
  let sessions = 0
  const close = async () => {
    if (isRunning(child)) {
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.stdin!.destroy()
      child.kill('SIGTERM')
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  }
  if (problem !== null) {
    await close()
    return { ok: false, ...problem }
  }
  return {
    ok: true,
    master: {
      isOpen: () => isRunning(child),
      logFile: () => join(folder, `s${++sessions}`),
      // The ProxyCommand keeps ssh from making a connection of its own when this one is gone.
      sessionArgs: file => [
        ...common,
        ...[
          '-S',
          control,
          '-o',
          'ControlMaster=no',
          '-o',
          'ProxyCommand=false',
          '-E',
          file,
          '--',
          settings.destination,
        ],
      ],
      close,
    },
  }
}

/** In a group of its own, so that a Ctrl-C in the terminal does not cut the link that the rollback needs. */
export function startSsh(args: string[], env: SshSettings['env']): ChildProcess {
  return spawn('ssh', args, {
    env: env as NodeJS.ProcessEnv,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

const configOf = ({ env }: SshSettings): string[] =>
  env['HOSTOPS_SSH_CONFIG'] ? ['-F', env['HOSTOPS_SSH_CONFIG']] : []

const isRunning = (child: ChildProcess) =>
  child.exitCode === null && child.signalCode === null && child.pid !== undefined

/** Null once the far end has echoed the nonce. */
function greeting(
  child: ChildProcess,
  nonce: string,
  log: string,
  limitMs: number,
  signal: AbortSignal | undefined,
): Promise<SshProblem | null> {
  return new Promise(resolve => {
    let seen = ''
    const settle = (problem: SshProblem | null) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      child.stdout!.removeAllListeners('data')
      child.stdout!.resume()
      resolve(problem)
    }
    const fail = (reason: string) => settle({ problem: 'unreachable', reason })
    const abort = () => fail('cancelled')
    const timer = setTimeout(() => fail(`no answer within ${limitMs} ms`), limitMs)
    signal?.addEventListener('abort', abort, { once: true })
    child.stderr!.resume()
    child.stdout!.on('data', chunk => {
      // A login script may say anything before.
      seen = (seen + chunk.toString('latin1')).slice(-4096)
      if (seen.includes(nonce)) settle(null)
    })
    child.once('error', error =>
      settle({
        problem: 'unreachable',
        reason: `the ssh client cannot be started: ${error.message}`,
        hint: 'install it: apt-get install openssh-client',
      }),
    )
    child.once('exit', () => settle(sshProblem(readLog(log))))
  })
}

export function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
