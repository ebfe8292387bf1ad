/**
 * A caller that sends SIGTERM may send SIGKILL 300 ms later, in the middle of a rollback. So a second process stands by: it
 * rolls the run back if this one is gone before it has done so.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { packagePath } from '../build/package-path.ts'
import type { Json } from '../document/json.ts'
import type { Playbook } from '../playbook/playbook.ts'
import type { Surroundings } from '../process/surroundings.ts'

export type StandBy = {
  /** For a runner that leaves the run to whoever comes next, and not to it. */
  dismiss(): void
}

/** Null if none could be started. */
export function standBy({
  runId,
  state,
  playbook,
  inputs,
  env,
}: {
  runId: string
  state: string
  playbook: Playbook
  inputs: { [name: string]: Json }
  env: Surroundings['env']
}): StandBy | null {
  const secrets = Object.entries(inputs).filter(([name]) => playbook.inputs[name]?.type === 'secret')
  try {
    const child = spawn(
      process.execPath,
      [packagePath('dist/hostops.cjs'), 'rollback', runId, '--stand-by', '--quiet'],
      {
        env: { ...env, HOSTOPS_STATE_DIR: state },
        cwd: '/',
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    )
    child.on('error', () => {})
    child.stdin.on('error', () => {})
    // No file keeps the run's secrets, and an environment shows them to whoever lists processes.
    child.stdin.end(JSON.stringify(Object.fromEntries(secrets)))
    child.unref()
    return child.pid === undefined ? null : { dismiss: () => void child.kill('SIGKILL') }
  } catch {
    return null
  }
}

/** The secrets that the runner has passed on; none if it died before it had passed on all of them. */
export function takeSecrets(): { [name: string]: Json } {
  try {
    return JSON.parse(readFileSync(0, 'utf8'))
  } catch {
    return {}
  }
}
