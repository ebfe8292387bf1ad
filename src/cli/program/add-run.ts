import type { RunOptions } from '../open/run-options.ts'
import {
  type AddCommands,
  asHostOption,
  callerOption,
  collect,
  outputOption,
  PLAYBOOK_ARGUMENT,
  playbooksOption,
  quietOption,
  targetOption,
} from './shared-options.ts'

export const addRun: AddCommands = (program, io, done) => {
  program
    .command('run')
    .summary('run a playbook: a file, or the name of one')
    .description(
      'Runs a playbook step by step, goes back when a step fails, and prints one line on stdout: OPENCLAW_RESULT_JSON:{...}. Everything else goes to stderr.',
    )
    .argument(...PLAYBOOK_ARGUMENT)
    .option('-i, --input <key=value>', 'an input; key=@file reads its value from a file', collect)
    .option('--inputs <file.json>', 'inputs as one JSON object')
    .addOption(targetOption())
    .optionsGroup('before it runs')
    .option('--dry-run', 'print each step, its exact commands and its undo; contact nothing')
    .option('--check', 'only look at the target; tell what would change, and the hash of that plan')
    .option('--plan <hash>', 'refuse to run when what --check saw has moved since')
    .optionsGroup('how it runs')
    .option('--no-rollback', 'stop where a step fails instead of going back')
    .option('--allow-dirty', 'accept local changes in the checkout')
    .option('--timeout <duration>', 'limit of the whole run, like 20m')
    .option('--wait-lock <duration>', 'wait that long for a run that holds the lock')
    .option('--run-id <id>', 'an id of your own: at most 64 letters, digits, dots, dashes, underscores')
    .option('--on-host', 'let the engine run on the host and follow it')
    .option('--wait-approval <duration>', 'ask the operators of an OpenClaw node to approve it, and wait')
    .option('--detach', 'let the engine run on the host and return at once')
    .addOption(asHostOption())
    .addOption(callerOption())
    .optionsGroup('what you see')
    .addOption(outputOption())
    .addOption(quietOption())
    .option('--report-file <file>', 'write the report there as well')
    .optionsGroup('where things are')
    .option('--config <file>', 'settings (else $HOSTOPS_CONFIG, hostops.config.yaml upwards, the user’s)')
    .addOption(playbooksOption())
    .addHelpText('after', EXIT_CODES)
    .action(async (playbook: string, options: RunOptions) => {
      const { run } = await import('../commands/run.ts')
      done(await run(playbook, { ...options, input: options.input ?? [] }, io))
    })
}

const EXIT_CODES = `
exit codes
  0        succeeded, unchanged, planned, started
  1        rolled-back, failed-unchanged: it failed; rollbackVerified says whether all was seen to be as before
  2        invalid: usage, inputs or playbook; nothing was contacted
  3        refused: dirty tree, lock, policy, moved plan; nothing was changed
  4        unreachable: nothing was changed
  5        rollback-failed, failed-changed: a person is needed
  6        unknown: the link was lost; hostops report RUN tells more once it is known
  130/143  interrupted, after an orderly end

A first Ctrl-C stops the step and rolls back; a second one stops the rolling back.
`
