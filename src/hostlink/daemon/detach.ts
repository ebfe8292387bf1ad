/** Starts the daemon in the background, and stays until it listens or has said why it does not. */
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DaemonOptions } from './main.ts'

/** Null once the daemon listens; else what kept it from that. */
export function detach({
  configFile,
  pidFile,
  isVerbose,
}: Pick<DaemonOptions, 'configFile' | 'pidFile' | 'isVerbose'>): Promise<string | null> {
  const args = [
    '--config',
    resolve(configFile),
    ...(pidFile === null ? [] : ['--pid-file', resolve(pidFile)]),
    ...(isVerbose ? ['--verbose'] : []),
  ]
  const bin = process.argv[1] ?? fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [...process.execArgv, bin, ...args, '--foreground'], {
    detached: true,
    // Keeps no folder busy, and commands begin there.
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  return new Promise(answer => {
    const settle = (problem: string | null) => {
      if (child.connected) child.disconnect()
      child.unref()
      answer(problem)
    }
    child.once('error', error => settle(error.message))
    child.once('exit', code => settle(`the daemon ended with code ${code} before it listened`))
    child.once('message', (message: { failed?: unknown }) =>
      settle(typeof message.failed === 'string' ? message.failed : null),
    )
  })
}
