/** The commands about playbooks: none of them runs one. */
import { type Command, Option } from 'commander'
import type { ListOptions } from '../commands/list.ts'
import type { ShowOptions } from '../commands/show.ts'
import type { ValidateOptions } from '../commands/validate.ts'
import { type AddCommands, PLAYBOOK_ARGUMENT, playbooksOption } from './shared-options.ts'

export const addPlaybooks: AddCommands = (program, io, done) => {
  looksUp(
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
    const { validate } = await import('../commands/validate.ts')
    done(await validate(files, options, io))
  })
  looksUp(
    program
      .command('list')
      .summary('list the named playbooks')
      .description('Lists the playbooks that can be run by name, and where each comes from.')
      .option('--json', 'one JSON array on stdout, with the inputs of each'),
  )
    .addOption(thereOption())
    .action(async (options: ListOptions) => {
      const { list } = await import('../commands/list.ts')
      done(await list(options, io))
    })
  looksUp(
    program
      .command('show')
      .summary('show a playbook: its inputs, and where their values come from')
      .description('Shows what a playbook needs and what it does.')
      .argument(...PLAYBOOK_ARGUMENT)
      .option('--json', 'one JSON object on stdout'),
  )
    .addOption(thereOption())
    .action(async (playbook: string, options: ShowOptions) => {
      const { show } = await import('../commands/show.ts')
      done(await show(playbook, options, io))
    })
  program
    .command('init')
    .summary('write a commented playbook to begin with')
    .description('Writes a commented playbook that is valid as it stands. Overwrites nothing.')
    .argument('[file]', 'where to (default playbook.yaml)')
    .option('--force', 'overwrite a file that is there')
    .action(async (file: string | undefined, options: { force?: boolean }) => {
      const { init } = await import('../commands/init.ts')
      done(await init(file, options, io))
    })
  program
    .command('schema')
    .summary('print the JSON Schema of playbooks, reports, settings or journals')
    .description('Prints a JSON Schema, for editors and for those who parse reports.')
    .argument('[which]', 'playbook (default), report, config or journal')
    .action(async (which: string | undefined) => {
      const { schema } = await import('../commands/schema.ts')
      done(await schema(which, io))
    })
}

const thereOption = () =>
  new Option(
    '-t, --target <target>',
    'of a host, as far as its token may run them: hostlink, hostlink:NAME, node:NAME',
  )

const looksUp = (command: Command) =>
  command.addOption(playbooksOption()).option('--config <file>', 'settings')
