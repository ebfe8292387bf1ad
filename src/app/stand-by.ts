/**
 * A caller that sends SIGTERM may send SIGKILL 300 ms later, in the middle of a rollback. So a second process stands by: it
 * rolls the run back if this one is gone before it has done so.
 */
import { spawn } from 'node:child_process'
import { packagePath } from '../build/package-path.ts'
import type { Json } from '../document/json.ts'
import type { Playbook } from '../playbook/playbook.ts'
import type { Surroundings } from '../process/surroundings.ts'

/** Holds the run's secrets, which no file keeps. */
const SECRETS = 'HOSTOPS_STAND_BY'

/** False if none could be started, as for secrets of more than an environment holds. */
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
}): boolean {
  const secrets = Object.entries(inputs).filter(([name]) => playbook.inputs[name]?.type === 'secret')
  try {
    const child = spawn(
      process.execPath,
      [packagePath('dist/hostops.cjs'), 'rollback', runId, '--stand-by', '--quiet'],
      {
        env: { ...env, HOSTOPS_STATE_DIR: state, [SECRETS]: JSON.stringify(Object.fromEntries(secrets)) },
        cwd: '/',
        detached: true,
        stdio: 'ignore',
      },
    )
    child.on('error', () => {})
    child.unref()
    return child.pid !== undefined
  } catch {
    return false
  }
}

/** The secrets of the run, and an environment without them, so that no step's command gets to see them. */
export function takeSecrets({ [SECRETS]: given, ...env }: Surroundings['env']): {
  secrets: { [name: string]: Json }
  env: Surroundings['env']
} {
  // Commands on this machine inherit what the process itself has.
  delete process.env[SECRETS]
  return { secrets: given === undefined ? {} : JSON.parse(given), env }
}
