/** The door for an OpenClaw node host on this machine. */
import { Option } from 'commander'
import { DEFAULT_DIR } from '../../app/openclaw/layout.ts'
import type { InstallOptions } from '../openclaw/read-machine.ts'
import { type AddCommands, collect } from './shared-options.ts'

export const addOpenclaw: AddCommands = (program, io, done) => {
  const openclaw = program
    .command('openclaw')
    .summary('let the agents of an OpenClaw gateway start playbooks here')
    .description(
      'Installs or removes what a node host of OpenClaw on this machine needs to start named playbooks.',
    )
    .helpCommand(false)
  const openclawOption = () =>
    new Option('--openclaw <file>', 'the program openclaw (default: found in PATH)')
  const rootOption = () => new Option('--root <dir>').default('').hideHelp()
  openclaw
    .command('install')
    .summary('install or update the launcher, user, token, approvals, MCP entry, skill and service')
    .description(
      'Shows what it will write, asks, and does it. Running it again applies changed options. Needs root, and hostlinkd.',
    )
    .option(
      '--playbook <name>',
      'a playbook that agents may start (default upgrade-openclaw); may be repeated',
      collect,
    )
    .option(
      '--pin <key=value>',
      'the value of an input, which agents cannot change; may be repeated',
      collect,
    )
    .option('--free <key>', 'an input that agents choose (default ref); all others are pinned', collect)
    .option('--agent <id>', 'the agent whose calls are allowed', 'main')
    .option('--user <name>', 'the user that the node host runs as', 'openclaw-node')
    .option('--state <dir>', 'the state folder of the node host (default /var/lib/USER)')
    .addOption(openclawOption())
    .option('--gateway <host:port>', 'the gateway', '127.0.0.1:18789')
    .option('--config <file>', 'the config of hostlinkd', '/etc/hostlink/hostlink.conf')
    .option('--dir <dir>', 'the folder of the launcher', DEFAULT_DIR)
    .option('--no-service', 'write no systemd unit: the node host is started in another way')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only show what it would do')
    .addOption(rootOption())
    .addHelpText('after', EXAMPLES)
    .action(async (options: InstallOptions) => {
      const { openclawInstall } = await import('../commands/openclaw.ts')
      done(await openclawInstall(options, io))
    })
  openclaw
    .command('uninstall')
    .summary('remove all that install has written, and nothing else')
    .description('Removes what install has written. Files that were edited since are left and named.')
    .addOption(openclawOption())
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only show what it would remove')
    .addOption(rootOption())
    .action(async (options: Pick<InstallOptions, 'openclaw' | 'root' | 'yes' | 'dryRun'>) => {
      const { openclawUninstall } = await import('../commands/openclaw.ts')
      done(await openclawUninstall(options, io))
    })
}

const EXAMPLES = `
examples
  sudo hostops openclaw install --pin repoPath=/srv/openclaw
      agents may upgrade the stack in /srv/openclaw, and choose the ref
  sudo hostops openclaw install --playbook restart-web --free reason --agent ops
      another playbook, for another agent
`
