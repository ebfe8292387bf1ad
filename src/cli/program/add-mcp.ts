import type { McpOptions } from '../commands/mcp.ts'
import { type AddCommands, hostOption, playbooksOption } from './shared-options.ts'

export const addMcp: AddCommands = (program, io, done) => {
  program
    .command('mcp')
    .summary('offer the playbooks to an agent, as an MCP server')
    .description(
      'Speaks the Model Context Protocol on stdin and stdout: a tool for each playbook, and tools to wait for, report, cancel and confirm its runs. Ends when its client does; the runs go on.',
    )
    .addOption(hostOption())
    .addOption(playbooksOption())
    .option('--config <file>', 'settings')
    .addHelpText('after', EXAMPLES)
    .action(async (options: McpOptions) => {
      const { mcp } = await import('../commands/mcp.ts')
      done(await mcp(options, io))
    })
}

const EXAMPLES = `
examples
  hostops mcp
      the playbooks of this machine; in a terminal, what to write into the client's config
  hostops mcp --target hostlink:desktop
      those that this token may run on that host
`
