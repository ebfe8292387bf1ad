/** Starts the daemon in the background, and stays until it listens or has said why it does not. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Null once the daemon listens; else what kept it from that. */
export function detach(args: readonly string[]): Promise<string | null> {
  const bin = process.argv[1] ?? fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [...process.execArgv, bin, ...args, '--foreground'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  return new Promise(resolve => {
    const settle = (problem: string | null) => {
      if (child.connected) child.disconnect()
      child.unref()
      resolve(problem)
    }
    child.once('error', error => settle(error.message))
    child.once('exit', code => settle(`the daemon ended with code ${code} before it listened`))
    child.once('message', (message: { failed?: unknown }) =>
      settle(typeof message.failed === 'string' ? message.failed : null),
    )
  })
}
