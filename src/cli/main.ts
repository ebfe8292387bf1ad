/** Arguments in, exit code out. */
import { type Command, CommanderError } from 'commander'
import type { Failure } from '../failure.ts'
import { EXIT_OK, EXIT_USAGE } from '../report/exit-code.ts'
import { wordedError } from './print/print-failure.ts'
import { makeProgram } from './program.ts'
import type { Io } from './terminal/io.ts'

export async function main(given: string[], io: Io): Promise<number> {
  const args = asOption(given)
  let code: number = EXIT_OK
  const ended = (last: number) => {
    code = last
  }
  const program = makeProgram(io, ended, args[0])
  if (args.length === 0) {
    io.stderr.write(program.helpInformation())
    return EXIT_USAGE
  }
  try {
    const parsed = program.parseAsync(withKnownHelp(args, program), { from: 'user' })
    // A run has its own answer to a fault: a report.
    await (args[0] === 'run' ? parsed : Promise.race([parsed, io.fault]))
    return code
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return EXIT_OK
    return usageError(error, args, io)
  }
}

/** `help run` is `run --help`: what people type, in a program that has no command of that name. */
const asOption = ([first, ...rest]: string[]): string[] =>
  first === 'help'
    ? [...rest.slice(0, 1).filter(word => word !== 'help'), '--help']
    : first === undefined
      ? []
      : [first, ...rest]

/** Of a command that there is none of there is no help: commander would give that of the program, as if all were well. */
function withKnownHelp(args: string[], { commands }: Command): string[] {
  const [first = ''] = args
  return first.startsWith('-') || commands.some(command => command.name() === first) ? args : [first]
}

/** What ends in a report line does so as well when it was asked for in the wrong way. */
async function usageError(error: CommanderError, args: string[], io: Io): Promise<number> {
  const failure: Failure = { code: 'usage', what: 'command-line', ...reword(error, args) }
  if (args[0] === 'run') {
    const { refuseUsage } = await import('./commands/refuse-usage.ts')
    return refuseUsage(failure, args, io)
  }
  if (args[0] === 'resume' || args[0] === 'rollback') {
    const { refusedAttempt } = await import('../app/refused-attempt.ts')
    const { printAttempt } = await import('./print/print-attempt.ts')
    const run = args.slice(1).find(word => !word.startsWith('-')) ?? ''
    const output = args.some(word => /^(--output=)?json$/.test(word)) ? 'json' : 'auto'
    const ended = refusedAttempt(run, failure)
    return printAttempt({ ended, run: null }, { output }, io)
  }
  io.stderr.write(wordedError(failure))
  return EXIT_USAGE
}

function reword(error: CommanderError, [command, ...words]: string[]): { problem: string; hint: string } {
  const [first = '', suggestion] = error.message.split('\n(')
  const problem = first
    .replace(/^error: /, '')
    .replace(/\.$/, '')
    .replace(/\. Expected/, ': expected')
    // What was given to an option that is none may be a secret.
    .replace(/^(unknown option '[^'=]*)=.*'$/s, "$1'")
  const meant = /^Did you mean (.*)\?\)$/.exec(suggestion ?? '')?.[1]
  const input = error.code === 'commander.excessArguments' ? words.map(nameOfInput).find(Boolean) : undefined
  if (command === 'run' && input) return { problem, hint: `an input is given with -i: -i ${input}=...` }
  const help =
    command === undefined || command.startsWith('-') || error.code === 'commander.unknownCommand'
      ? ''
      : ` ${command}`
  return { problem, hint: meant ? `did you mean ${meant}?` : `hostops${help} --help` }
}

/** Never its value, which may be a secret. */
const nameOfInput = (word: string): string | undefined => /^([A-Za-z_]\w{0,63})=/.exec(word)?.[1]
