/** The command line as data for commander. Each command's own code is loaded when it is called, not before. */
import { type Argument, Command } from 'commander'
import { VERSION } from '../build/version.ts'
import { addActs } from './program/add-acts.ts'
import { addDoctor } from './program/add-doctor.ts'
import { addHistory } from './program/add-history.ts'
import { addMcp } from './program/add-mcp.ts'
import { addOpenclaw } from './program/add-openclaw.ts'
import { addPlaybooks } from './program/add-playbooks.ts'
import { addRecovery } from './program/add-recovery.ts'
import { addRun } from './program/add-run.ts'
import type { AddCommands } from './program/shared-options.ts'
import type { Io } from './terminal/io.ts'

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
    .addHelpText('after', EXAMPLES)
  const wanted = GROUPS.filter(({ names }) => names.includes(asked ?? ''))
  for (const { add } of wanted.length > 0 ? wanted : GROUPS) add(program, io, done)
  return program
}

const GROUPS: readonly { names: readonly string[]; add: AddCommands }[] = [
  { names: ['run'], add: addRun },
  { names: ['validate', 'list', 'show', 'init', 'schema'], add: addPlaybooks },
  { names: ['runs', 'report', 'logs', 'events', 'wait'], add: addHistory },
  { names: ['resume', 'rollback'], add: addRecovery },
  { names: ['confirm', 'cancel'], add: addActs },
  { names: ['doctor'], add: addDoctor },
  { names: ['mcp'], add: addMcp },
  { names: ['openclaw'], add: addOpenclaw },
]

const EXAMPLES = `
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

const argumentTerm = (argument: Argument) => {
  const term = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${term}>` : `[${term}]`
}
