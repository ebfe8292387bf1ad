/** From a request to what is executed: file, arguments, environment. Pure, and the same for exec and jobs. */
import type { Invocation } from '../../../jobs/job-info.ts'
import { DEFAULT_PATH } from '../../../process/default-path.ts'
import type { ExecRequest } from '../../messages.ts'

/**
 * Runs the text that it finds in HOSTLINK_COMMAND. The text is expanded before the line that unsets the variable
 * runs, so that it is in no argv, in no descendant's environment, and in no variable of the shell.
 */
const SHELL_STUB = 'eval "unset HOSTLINK_COMMAND\n$HOSTLINK_COMMAND"'

/** What commands inherit of the daemon's environment, besides `LC_*` and the names in `env_allow`. */
const INHERITED = ['HOME', 'LANG', 'LOGNAME', 'PATH', 'SHELL', 'TERM', 'TMPDIR', 'TZ', 'USER']

export type CommandSettings = { readonly shell: string; readonly envAllow: readonly string[] }

/** `program` is the file that a policy found for argv[0], and replaces the look-up in PATH. */
export function commandFor(
  request: Pick<ExecRequest, 'command' | 'argv' | 'env'>,
  settings: CommandSettings,
  hostEnv: NodeJS.ProcessEnv,
  program?: string,
): Invocation {
  const env = { ...inherited(hostEnv, settings.envAllow), ...request.env }
  const [argv0, ...args] = request.argv ?? []
  if (argv0 !== undefined) return { file: program ?? argv0, argv0, args, env }
  const { shell } = settings
  return {
    file: shell,
    argv0: shell,
    args: ['-c', SHELL_STUB],
    env: { ...env, HOSTLINK_COMMAND: request.command ?? '' },
  }
}

function inherited(hostEnv: NodeJS.ProcessEnv, allowed: readonly string[]): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH }
  for (const [name, value] of Object.entries(hostEnv)) {
    const kept = INHERITED.includes(name) || name.startsWith('LC_') || allowed.includes(name)
    if (kept && value !== undefined) env[name] = value
  }
  return env
}
