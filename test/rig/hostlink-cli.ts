/** The built `hostlink`, run as a process with an environment that holds nothing but what the test says. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const HOSTLINK = fileURLToPath(new URL('../../dist/hostlink.cjs', import.meta.url))

export type CliEnd = {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  bytes: Buffer
}
export type CliOptions = { env?: Record<string, string>; cwd?: string }
export type RunningCli = {
  child: ChildProcess
  ended: Promise<CliEnd>
  stderrHas(text: string): Promise<void>
}

export const hostlink = (args: readonly string[], options: CliOptions = {}): Promise<CliEnd> =>
  startHostlink(args, options).ended

export function startHostlink(args: readonly string[], options: CliOptions = {}): RunningCli {
  const child = spawn(process.execPath, [HOSTLINK, ...args], {
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...options.env },
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  const text = (parts: Buffer[]) => Buffer.concat(parts).toString('utf8')
  child.stdout!.on('data', data => out.push(data))
  child.stderr!.on('data', data => err.push(data))
  const ended = new Promise<CliEnd>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code, signal, stdout: text(out), stderr: text(err), bytes: Buffer.concat(out) }),
    )
  })
  return {
    child,
    ended,
    stderrHas: async part => {
      while (!text(err).includes(part)) {
        if (child.exitCode !== null) throw new Error(`ended without "${part}": ${text(err)}`)
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    },
  }
}

/** How to reach a daemon, as environment. */
export const reaching = (daemon: { socket: string; token: string }): Record<string, string> => ({
  HOSTLINK_SOCKET: daemon.socket,
  HOSTLINK_TOKEN: daemon.token,
})

/** Durations and generated ids differ from run to run; everything else is compared whole. */
export const steady = (text: string): string =>
  text.replace(/time=\d+ms/g, 'time=Nms').replace(/timeout after \d+ms/g, 'timeout after Nms')
