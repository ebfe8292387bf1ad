/** The program that runs playbooks, as the daemon starts it: its words, its state, its environment. */
import { join } from 'node:path'
import { packagePath } from '../build/package-path.ts'
import type { Config } from '../hostlink/daemon/config/config.ts'
import { type CommandSettings, commandFor } from '../hostlink/daemon/exec/command.ts'
import type { RunStart } from '../hostlink/messages.ts'
import type { GivenCaller } from '../runs/caller.ts'

export function hostopsCommand({ hostopsCommand: given }: Pick<Config, 'hostopsCommand'>): string[] {
  if (given !== null) return /\.[cm]?js$/.test(given) ? [process.execPath, given] : [given]
  return [process.execPath, packagePath('dist/hostops.cjs')]
}

/** Where runs keep their state: on the host's disk, since it must outlive a restart of the host. */
export function runsStateDir(
  { runsStateDir: given }: Pick<Config, 'runsStateDir'>,
  env: NodeJS.ProcessEnv,
): string {
  if (given !== null) return given
  if (process.getuid?.() === 0) return '/var/lib/hostops'
  const { XDG_STATE_HOME: xdg, HOME: home = '/' } = env
  return join(xdg?.startsWith('/') ? xdg : join(home, '.local', 'state'), 'hostops')
}

/** Words for one run. Everything that a caller chose stands in files, or is a plain word behind its option. */
export function runArguments(
  runId: string,
  folder: string,
  texts: readonly string[],
  start: RunStart,
  by: GivenCaller['by'],
): string[] {
  const { allow_dirty, rollback, check, timeout, wait_lock, plan } = start.options ?? {}
  const { target, parent } = start
  return [
    'run',
    join(folder, 'playbook.yaml'),
    ...['--run-id', runId, '--target', 'local', '--output', 'json', '--as-host'],
    ...callerArguments({ by, target, parent }),
    ...['--inputs', join(folder, 'inputs.json')],
    ...texts.flatMap((name, at) => ['-i', `${name}=@${join(folder, `input-${at}`)}`]),
    ...(allow_dirty ? ['--allow-dirty'] : []),
    ...(rollback === false ? ['--no-rollback'] : []),
    ...(check ? ['--check'] : []),
    ...(timeout === undefined ? [] : ['--timeout', timeout]),
    ...(wait_lock === undefined ? [] : ['--wait-lock', wait_lock]),
    ...(plan === undefined ? [] : ['--plan', plan]),
  ]
}

/** For whom hostops is started. */
export const callerArguments = (caller: GivenCaller): string[] => ['--caller', JSON.stringify(caller)]

/** The environment of a run that is started here. */
export const runEnvironment = (
  settings: CommandSettings & Pick<Config, 'runsStateDir'>,
  hostEnv: NodeJS.ProcessEnv,
): Readonly<Record<string, string>> =>
  commandFor(
    { argv: ['hostops'], command: undefined, env: { HOSTOPS_STATE_DIR: runsStateDir(settings, hostEnv) } },
    settings,
    hostEnv,
  ).env
