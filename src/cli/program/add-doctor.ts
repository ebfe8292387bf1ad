import { Option } from 'commander'
import { type AddCommands, type OfRun, targetOption } from './shared-options.ts'

export const addDoctor: AddCommands = (program, io, done) => {
  program
    .command('doctor')
    .summary('is everything there? each finding with its fix')
    .description(
      'Looks at this machine and at the target, changes nothing, and tells for each finding what mends it.',
    )
    .addOption(targetOption())
    .option('--json', 'one JSON object on stdout')
    .option('--config <file>', 'settings')
    .option('--openclaw', 'what stands in the way of an OpenClaw node host on this machine')
    .addOption(new Option('--root <dir>').default('').hideHelp())
    .action(async (options: OfRun & { json?: boolean; openclaw?: boolean; root: string }) => {
      const { doctor } = await import('../commands/doctor.ts')
      done(await doctor(options, io))
    })
}
