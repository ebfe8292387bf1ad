/** The commands that tell something to a run that goes on. */
import { Option } from 'commander'
import {
  type AddCommands,
  hostOption,
  type OfRun,
  RUN_ARGUMENT,
  stateConfigOption,
} from './shared-options.ts'

export const addActs: AddCommands = (program, io, done) => {
  program
    .command('confirm')
    .summary('tell a run that waits for it that all is well')
    .description(
      'Answers the confirm step of a run on the host. Unless somebody does so in time, the host rolls back. Refused (exit code 3) before the step is reached and when the time is over; twice is fine.',
    )
    .argument(...RUN_ARGUMENT)
    .addOption(stateConfigOption())
    .addOption(hostOption())
    .action(async (run: string, options: OfRun) => {
      const { confirmCommand } = await import('../commands/confirm.ts')
      done(await confirmCommand(run, options, io))
    })
  program
    .command('cancel')
    .summary('stop a run and let it roll back')
    .description(
      'Does for a run what Ctrl-C does in a terminal: it stops the step and rolls back. A second one stops the rolling back.',
    )
    .argument(...RUN_ARGUMENT)
    .addOption(stateConfigOption())
    .addOption(hostOption())
    .addOption(new Option('--signal <name>').choices(['INT', 'TERM']).default('TERM').hideHelp())
    .action(async (run: string, options: OfRun & { signal: 'INT' | 'TERM' }) => {
      const { cancel } = await import('../commands/cancel.ts')
      done(await cancel(run, options, io))
    })
}
