import type { Failure } from '../../failure.ts'
import { DEFAULT_KEEP, stateDir } from '../../runs/runs-folder.ts'
import type { Io } from '../io.ts'
import type { RunOptions } from '../run-options.ts'
import { recorderFor } from '../run-recorder.ts'
import { readSettings } from '../settings.ts'

/** For arguments that could not be read: nothing of them is believed but where the report should go. */
export async function refuseUsage(failure: Failure, args: readonly string[], io: Io): Promise<number> {
  const reportFile = valueAfter(args, '--report-file')
  const runId = valueAfter(args, '--run-id')
  const options: RunOptions = {
    input: [],
    rollback: true,
    output: valueAfter(args, '--output') === 'json' ? 'json' : 'auto',
    ...(reportFile === undefined ? {} : { reportFile }),
    ...(runId === undefined ? {} : { runId }),
  }
  const recorder = recorderFor(options, io)
  const config = valueAfter(args, '--config')
  const settings = readSettings(config === undefined ? {} : { config }, io)
  recorder.open(stateDir(io, settings.ok ? settings.settings.stateDir : undefined), DEFAULT_KEEP)
  return recorder.finish({ outcome: 'invalid', failedStep: null, failure })
}

function valueAfter(args: readonly string[], option: string): string | undefined {
  const at = args.findIndex(arg => arg === option || arg.startsWith(`${option}=`))
  return args[at]?.startsWith(`${option}=`)
    ? args[at].slice(option.length + 1)
    : at < 0
      ? undefined
      : args[at + 1]
}
