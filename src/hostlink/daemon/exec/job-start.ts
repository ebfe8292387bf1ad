/** From a request, its token and the config to the plain types of `jobs/`, which knows none of the three. */
import type { JobStart, Owner } from '../../../jobs/job-info.ts'
import type { JobSettings } from '../../../jobs/jobs.ts'
import type { ExecRequest } from '../../messages.ts'
import type { Config } from '../config/config.ts'
import type { Token } from '../policy/policy.ts'
import type { Judgement } from '../policy/rule.ts'
import { type CommandSettings, commandFor } from './command.ts'
import { commandText } from './command-text.ts'

export function jobStart(
  request: ExecRequest,
  settings: CommandSettings,
  hostEnv: NodeJS.ProcessEnv,
  judgement: Judgement = {},
): JobStart {
  const { command, argv, workdir, env, key } = request
  return {
    command: commandFor(request, settings, hostEnv, judgement.file),
    text: commandText(request),
    asked: [command, argv, workdir, Object.entries(env ?? {}).sort()],
    key,
    attachOnly: request.attach_only,
    workdir,
    workdirIs: judgement.workdirIs,
    timeoutMs: request.job_timeout_ms,
  }
}

export const jobOwner = ({ name, policy }: Token): Owner => ({ name, seesAll: policy.kind === 'full' })

export const jobSettings = (config: Config): JobSettings => ({
  folder: config.outputTmpdir,
  most: config.maxJobs,
  retentionS: config.jobRetentionS,
  maxSpoolBytes: config.jobMaxSpoolBytes,
  defaultTimeoutMs: config.jobDefaultTimeoutMs,
  maxTimeoutMs: config.jobMaxTimeoutMs,
})
