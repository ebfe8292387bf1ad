/** The commands that tell about runs: of this machine, or with a target of those on a host. */
import {
  type AddCommands,
  hostOption,
  type OfRun,
  RUN_ARGUMENT,
  stateConfigOption,
} from './shared-options.ts'

export const addHistory: AddCommands = (program, io, done) => {
  program
    .command('runs')
    .summary('list the runs that this machine knows')
    .description('Lists the runs in the state folder, the newest first.')
    .option('-n, --limit <number>', 'at most that many', '20')
    .option('--json', 'one JSON array on stdout')
    .addOption(stateConfigOption())
    .addOption(hostOption())
    .action(async (options: OfRun & { limit: string; json?: boolean }) => {
      const { runs } = await import('../commands/runs.ts')
      done(await runs(options, io))
    })
  program
    .command('report')
    .summary('print the report line of a run again')
    .description('Prints the very same report line again and ends with the same exit code as the run.')
    .argument(...RUN_ARGUMENT)
    .addOption(stateConfigOption())
    .addOption(hostOption())
    .action(async (run: string, options: OfRun) => {
      const { report } = await import('../commands/report.ts')
      done(await report(run, options, io))
    })
  program
    .command('logs')
    .summary('print what the steps of a run printed')
    .description('Prints the output of each step of a run, in order, each line after the id of its step.')
    .argument(...RUN_ARGUMENT)
    .option('-f, --follow', 'go on until the run has ended')
    .option('--step <id>', 'of this step only, without its id in front')
    .addOption(stateConfigOption())
    .addOption(hostOption())
    .action(async (run: string, options: OfRun & { follow?: boolean; step?: string }) => {
      const { logs } = await import('../commands/logs.ts')
      done(await logs(run, options, io))
    })
  program
    .command('events')
    .summary('print the events of a run as JSON lines')
    .description(
      'Prints the journal of a run, one JSON object per line, as hostops schema journal describes it. What steps print is in their logs.',
    )
    .argument(...RUN_ARGUMENT)
    .option('-f, --follow', 'continue until the run has ended')
    .option('--after <seq>', 'only those behind the event with this "seq"')
    .addOption(stateConfigOption())
    .addOption(hostOption())
    .addHelpText('after', EVENTS_EXAMPLES)
    .action(async (run: string, options: OfRun & { follow?: boolean; after?: string }) => {
      const { events } = await import('../commands/events.ts')
      done(await events(run, options, io))
    })
  program
    .command('wait')
    .summary('wait until a run has ended, then print its report line')
    .description('Waits until the run has ended, prints its report line and ends with its exit code.')
    .argument(...RUN_ARGUMENT)
    .option('--timeout <duration>', 'give up after that long; the run goes on')
    .addOption(stateConfigOption())
    .addOption(hostOption())
    .action(async (run: string, options: OfRun & { timeout?: string }) => {
      const { wait } = await import('../commands/wait.ts')
      done(await wait(run, options, io))
    })
}

const EVENTS_EXAMPLES = `
examples
  hostops events last -f
      what happens in the last run, as it happens
  hostops events last --after 20
      what came behind the event with "seq":20
`
