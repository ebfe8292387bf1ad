import type { Failure } from '../../failure.ts'
import type { RunOptions } from '../open/run-options.ts'
import type { Io } from '../terminal/io.ts'
import { run } from './run.ts'

/** For arguments that could not be parsed: of them only the places for the report are used. */
export function refuseUsage(failure: Failure, args: readonly string[], io: Io): Promise<number> {
  const [reportFile, runId, config] = ['--report-file', '--run-id', '--config'].map(option =>
    valueAfter(args, option),
  )
  const options: RunOptions = {
    input: [],
    rollback: true,
    output: valueAfter(args, '--output') === 'json' ? 'json' : 'auto',
    ...(reportFile === undefined ? {} : { reportFile }),
    ...(runId === undefined ? {} : { runId }),
    ...(config === undefined ? {} : { config }),
  }
  return run('', options, io, failure)
}

function valueAfter(args: readonly string[], option: string): string | undefined {
  const at = args.findIndex(arg => arg === option || arg.startsWith(`${option}=`))
  return args[at]?.startsWith(`${option}=`)
    ? args[at].slice(option.length + 1)
    : at < 0
      ? undefined
      : args[at + 1]
}
