/** The commands for a run whose runner is gone, and for one that is to be taken back. */
import { Option } from 'commander'
import type { ResumeOptions } from '../commands/resume.ts'
import {
  type AddCommands,
  asHostOption,
  callerOption,
  collect,
  hostOption,
  outputOption,
  quietOption,
  RUN_ARGUMENT,
  stateConfigOption,
} from './shared-options.ts'

export const addRecovery: AddCommands = (program, io, done) => {
  const verbs = [
    ['resume', 'finish a run whose runner is gone', 'Goes on with a run where its journal ends.'],
    ['rollback', 'take a run back', 'Takes back what a run did, as its own rollback would have done.'],
  ] as const
  for (const [verb, summary, description] of verbs) {
    const command = program
      .command(verb)
      .summary(summary)
      .description(`${description} Prints one report line, and the same one when called again.`)
      .argument(...RUN_ARGUMENT)
      .option('-i, --input <key=value>', 'a secret input of the run, which is not stored', collect)
      .option('--inputs <file.json>', 'a JSON object that holds the secrets of the run among other values')
      .addOption(asHostOption())
      .addOption(callerOption())
      .addOption(
        new Option('--assume <what>', 'of the step whose end nobody saw').choices(['done', 'not-done']),
      )
      .option(
        '--runner-gone',
        'you know that its runner, on a machine that cannot be seen from here, is no more',
      )
      .option('--wait-lock <duration>', 'wait that long for a run that holds the lock')
      .addOption(outputOption())
      .addOption(quietOption())
      .addOption(stateConfigOption())
      .addOption(hostOption())
      .action(async (run: string, options: ResumeOptions) => {
        const { resumeOrRollBack } = await import('../commands/resume.ts')
        done(await resumeOrRollBack(verb, run, { ...options, input: options.input ?? [] }, io))
      })
    if (verb === 'rollback') {
      command
        .addOption(new Option('--stand-by').hideHelp())
        .option('--check', 'only look whether everything is there that it would need; change nothing')
        .option('--rebuild', 'go on without a kept image: build it again from the old commit')
        .addHelpText('after', ROLLED_BACK)
    }
  }
}

const ROLLED_BACK = `
The line tells how the run ended now. So the exit code is 1 (rolled-back) when
everything was taken back and verified, 5 (rollback-failed) when something
remains. When something that it needs is gone it changes nothing and exits with
3 (refused); with --rebuild it goes on, and an image that was built again is
reported as rebuilt, never as the one that ran before.
`
