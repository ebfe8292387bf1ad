/** The command line as data for commander. Each command's own code is loaded when it is called, not before. */
import { type Argument, Command, Option } from 'commander'
import { VERSION } from '../hostlink/version.ts'
import type { ListOptions } from './commands/list.ts'
import type { ResumeOptions } from './commands/resume.ts'
import type { ShowOptions } from './commands/show.ts'
import type { ValidateOptions } from './commands/validate.ts'
import type { Io } from './io.ts'
import type { RunOptions } from './run-options.ts'

/**
 * `done` is told the exit code of the command that was called. `asked` is the first word: where it is a command, only
 * that command and those beside it are made.
 */
export function makeProgram(io: Io, done: (code: number) => void, asked?: string): Command {
  const program = new Command('hostops')
    .description('Run reviewed upgrade playbooks on a host and be told the truth about how they ended.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .exitOverride()
    // The words of a mistake are main's business: with a hint, and for `run` with a report.
    .configureOutput({ writeOut: text => io.stdout.write(text), writeErr: () => {}, outputError: () => {} })
    .configureHelp({
      styleTitle: title => (title === 'Usage:' ? 'usage:' : title.replace(/:$/, '').toLowerCase()),
      subcommandTerm: command => [command.name(), ...command.registeredArguments.map(argumentTerm)].join(' '),
    })
    .addHelpText('after', PROGRAM_EXAMPLES)
  const wanted = GROUPS.filter(({ names }) => names.includes(asked ?? ''))
  for (const { add } of wanted.length > 0 ? wanted : GROUPS) add(program, io, done)
  return program
}

const GROUPS: readonly {
  names: readonly string[]
  add: (program: Command, io: Io, done: (code: number) => void) => void
}[] = [
  { names: ['run'], add: addRun },
  { names: ['validate', 'list', 'show', 'init', 'schema'], add: addPlaybooks },
  { names: ['runs', 'report', 'logs', 'wait'], add: addHistory },
  { names: ['resume', 'rollback'], add: addRecovery },
  { names: ['confirm', 'cancel'], add: addActs },
  { names: ['doctor'], add: addDoctor },
]

const PROGRAM_EXAMPLES = `
examples
  hostops run upgrade-openclaw -i repoPath=/srv/openclaw --dry-run
      what it would do, without contacting anything
  hostops run upgrade-openclaw -i repoPath=/srv/openclaw
      do it, and go back when it does not come up
  hostops run ./upgrade.yaml --target hostlink:desktop
      a playbook of your own, on another host
  hostops report last
      the report line of the last run again
`

function addRun(program: Command, io: Io, done: (code: number) => void): void {
  program
    .command('run')
    .summary('run a playbook: a file, or the name of one')
    .description(
      'Runs a playbook step by step, goes back when a step fails, and prints one line on stdout: OPENCLAW_RESULT_JSON:{...}. Everything else goes to stderr.',
    )
    .argument('<playbook>', 'a file, or a name that hostops list shows')
    .option('-i, --input <key=value>', 'an input; key=@file reads its value from a file', collect)
    .option('--inputs <file.json>', 'inputs as one JSON object')
    .option('-t, --target <target>', 'local, hostlink, hostlink:NAME, ssh:DESTINATION')
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
    .option('--detach', 'let the engine run on the host and return at once')
    .addOption(asHost())
    .optionsGroup('what you see')
    .addOption(
      new Option('--output <form>', 'what is written to stderr')
        .choices(['auto', 'tree', 'lines', 'json'])
        .default('auto'),
    )
    .option('-q, --quiet', 'nothing on stderr but what went wrong')
    .option('--report-file <file>', 'write the report there as well')
    .optionsGroup('where things are')
    .option('--config <file>', 'settings (else $HOSTOPS_CONFIG, hostops.config.yaml upwards, the user’s)')
    .option('--playbooks <dir>', 'where named playbooks are looked for first')
    .addHelpText('after', RUN_HELP)
    .action(async (playbook: string, options: RunOptions) => {
      const { run } = await import('./commands/run.ts')
      done(await run(playbook, { ...options, input: options.input ?? [] }, io))
    })
}

const RUN_HELP = `
exit codes
  0        succeeded, unchanged, planned, started
  1        rolled-back, failed-unchanged: it failed, and the host is verified to be as before
  2        invalid: usage, inputs or playbook; nothing was contacted
  3        refused: dirty tree, lock, policy, moved plan; nothing was changed
  4        unreachable: nothing was changed
  5        rollback-failed, failed-changed: a person is needed
  6        unknown: the link was lost; hostops report RUN tells more once it is known
  130/143  interrupted, after an orderly end

A first Ctrl-C stops the step and rolls back; a second one stops the rolling back.
`

function addPlaybooks(program: Command, io: Io, done: (code: number) => void): void {
  const places = (command: Command) =>
    command
      .option('--playbooks <dir>', 'where named playbooks are looked for first')
      .option('--config <file>', 'settings')
  places(
    program
      .command('validate')
      .summary('find every mistake in playbooks')
      .description('Tells every mistake of every playbook, each at its line and column. Contacts nothing.')
      .argument('<file...>', 'files, or names that hostops list shows')
      .addOption(
        new Option('--format <format>', 'github makes annotations on the lines of a pull request')
          .choices(['text', 'json', 'github'])
          .default('text'),
      ),
  ).action(async (files: string[], options: ValidateOptions) => {
    const { validate } = await import('./commands/validate.ts')
    done(await validate(files, options, io))
  })
  places(
    program
      .command('list')
      .summary('list the named playbooks')
      .description('Lists the playbooks that can be run by name, and where each comes from.')
      .option('--json', 'one JSON array on stdout, with the inputs of each'),
  ).action(async (options: ListOptions) => {
    const { list } = await import('./commands/list.ts')
    done(await list(options, io))
  })
  places(
    program
      .command('show')
      .summary('show a playbook: its inputs, and where their values come from')
      .description('Shows what a playbook needs and what it does.')
      .argument('<playbook>', 'a file, or a name that hostops list shows')
      .option('--json', 'one JSON object on stdout'),
  ).action(async (playbook: string, options: ShowOptions) => {
    const { show } = await import('./commands/show.ts')
    done(await show(playbook, options, io))
  })
  program
    .command('init')
    .summary('write a commented playbook to begin with')
    .description('Writes a commented playbook that is valid as it stands. Overwrites nothing.')
    .argument('[file]', 'where to (default playbook.yaml)')
    .option('--force', 'overwrite a file that is there')
    .action(async (file: string | undefined, options: { force?: boolean }) => {
      const { init } = await import('./commands/init.ts')
      done(await init(file, options, io))
    })
  program
    .command('schema')
    .summary('print the JSON Schema of playbooks, reports, settings or journals')
    .description('Prints a JSON Schema, for editors and for those who parse reports.')
    .argument('[which]', 'playbook (default), report, config or journal')
    .action(async (which: string | undefined) => {
      const { schema } = await import('./commands/schema.ts')
      done(await schema(which, io))
    })
}

function addHistory(program: Command, io: Io, done: (code: number) => void): void {
  const runArgument = 'a run id, the beginning of one, or "last"'
  program
    .command('runs')
    .summary('list the runs that this machine knows')
    .description('Lists the runs in the state folder, the newest first.')
    .option('-n, --limit <number>', 'at most that many', '20')
    .option('--json', 'one JSON array on stdout')
    .option('--config <file>', 'settings (they may name the state folder)')
    .option('-t, --target <target>', 'of a run on a host: hostlink, hostlink:NAME')
    .action(async (options: { limit: string; json?: boolean; config?: string; target?: string }) => {
      if (options.target !== undefined) {
        const { runsAt } = await import('./on-host/asked.ts')
        return done(await runsAt({ ...options, target: options.target }, io))
      }
      const { runs } = await import('./commands/runs.ts')
      done(await runs(options, io))
    })
  program
    .command('report')
    .summary('print the report line of a run again')
    .description('Prints the very same report line again and ends with the same exit code as the run.')
    .argument('<run>', runArgument)
    .option('--config <file>', 'settings (they may name the state folder)')
    .option('-t, --target <target>', 'of a run on a host: hostlink, hostlink:NAME')
    .action(async (run: string, options: { config?: string; target?: string }) => {
      if (options.target !== undefined) {
        const { reportAt } = await import('./on-host/asked.ts')
        return done(await reportAt(run, { ...options, target: options.target }, io))
      }
      const { report } = await import('./commands/report.ts')
      done(await report(run, options, io))
    })
  program
    .command('logs')
    .summary('print what the steps of a run printed')
    .description('Prints the output of each step of a run, in order, each line after the id of its step.')
    .argument('<run>', runArgument)
    .option('-f, --follow', 'go on until the run has ended')
    .option('--step <id>', 'of this step only, without its id in front')
    .option('--config <file>', 'settings (they may name the state folder)')
    .option('-t, --target <target>', 'of a run on a host: hostlink, hostlink:NAME')
    .action(
      async (run: string, options: { follow?: boolean; step?: string; config?: string; target?: string }) => {
        if (options.target !== undefined) {
          const { logsAt } = await import('./on-host/asked.ts')
          return done(await logsAt(run, { ...options, target: options.target }, io))
        }
        const { logs } = await import('./commands/logs.ts')
        done(await logs(run, options, io))
      },
    )
  program
    .command('wait')
    .summary('wait until a run has ended, then print its report line')
    .description('Waits until the run has ended, prints its report line and ends with its exit code.')
    .argument('<run>', runArgument)
    .option('--timeout <duration>', 'give up after that long; the run goes on')
    .option('--config <file>', 'settings (they may name the state folder)')
    .option('-t, --target <target>', 'of a run on a host: hostlink, hostlink:NAME')
    .action(async (run: string, options: { timeout?: string; config?: string; target?: string }) => {
      if (options.target !== undefined) {
        const { waitAt } = await import('./on-host/asked.ts')
        return done(await waitAt(run, { ...options, target: options.target }, io))
      }
      const { wait } = await import('./commands/wait.ts')
      done(await wait(run, options, io))
    })
}

function addRecovery(program: Command, io: Io, done: (code: number) => void): void {
  const verbs = [
    ['resume', 'finish a run whose runner is gone', 'Goes on with a run where its journal ends.'],
    ['rollback', 'take a run back', 'Takes back what a run did, as its own rollback would have done.'],
  ] as const
  for (const [verb, summary, description] of verbs) {
    const command = program
      .command(verb)
      .summary(summary)
      .description(`${description} Prints one report line, and the same one when called again.`)
      .argument('<run>', 'a run id, the beginning of one, or "last"')
      .option('-i, --input <key=value>', 'a secret of the run: secrets are kept nowhere', collect)
      .option('--inputs <file.json>', 'a JSON object that holds the secrets of the run among other values')
      .addOption(asHost())
      .addOption(
        new Option('--assume <what>', 'of the step whose end nobody saw').choices(['done', 'not-done']),
      )
      .option('--wait-lock <duration>', 'wait that long for a run that holds the lock')
      .addOption(
        new Option('--output <form>', 'what is written to stderr')
          .choices(['auto', 'tree', 'lines', 'json'])
          .default('auto'),
      )
      .option('-q, --quiet', 'nothing on stderr but what went wrong')
      .option('--config <file>', 'settings (they may name the state folder)')
      .action(async (run: string, options: ResumeOptions) => {
        const commands = await import('./commands/resume.ts')
        const given = { ...options, input: options.input ?? [] }
        if (options.check) {
          const { rehearse } = await import('./commands/rehearse.ts')
          return done(await rehearse(run, given, io))
        }
        done(await commands[verb](run, given, io))
      })
    if (verb === 'rollback') {
      command.option('--check', 'only look whether everything is there that it would need; change nothing')
    }
  }
}

/** Set by who started this process so that it outlives every client: only there `confirm` can be waited for. */
const asHost = () => new Option('--as-host').hideHelp()

function addActs(program: Command, io: Io, done: (code: number) => void): void {
  const acts = [
    ['confirm', 'tell a run that waits for it that all is well', CONFIRM_HELP],
    ['cancel', 'stop a run and let it roll back', CANCEL_HELP],
  ] as const
  for (const [verb, summary, description] of acts) {
    program
      .command(verb)
      .summary(summary)
      .description(description)
      .argument('<run>', 'a run id, the beginning of one, or "last"')
      .option('--config <file>', 'settings (they may name the state folder)')
      .option('-t, --target <target>', 'of a run on a host: hostlink, hostlink:NAME')
      .action(async (run: string, options: { config?: string; target?: string }) => {
        if (options.target !== undefined) {
          const atHost = await import('./on-host/asked.ts')
          return done(await atHost[`${verb}At`](run, { ...options, target: options.target }, io))
        }
        const act =
          verb === 'confirm'
            ? (await import('./commands/confirm.ts')).confirm
            : (await import('./commands/cancel.ts')).cancel
        done(await act(run, options, io))
      })
  }
}

const CONFIRM_HELP =
  'Answers the confirm step of a run on the host. Unless somebody does so in time, the host rolls back. Refused (exit code 3) before the step is reached and when the time is over; twice is fine.'
const CANCEL_HELP =
  'Does for a run what Ctrl-C does in a terminal: it stops the step and rolls back. A second one stops the rolling back.'

function addDoctor(program: Command, io: Io, done: (code: number) => void): void {
  program
    .command('doctor')
    .summary('is everything there? each finding with its fix')
    .description(
      'Looks at this machine and at the target, changes nothing, and tells for each finding what mends it.',
    )
    .option('-t, --target <target>', 'local, hostlink, hostlink:NAME, ssh:DESTINATION')
    .option('--json', 'one JSON object on stdout')
    .option('--config <file>', 'settings')
    .action(async (options: { target?: string; json?: boolean; config?: string }) => {
      const { doctor } = await import('./commands/doctor.ts')
      done(await doctor(options, io))
    })
}

const argumentTerm = (argument: Argument) => {
  const term = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${term}>` : `[${term}]`
}

const collect = (value: string, all: string[] = []) => [...all, value]
