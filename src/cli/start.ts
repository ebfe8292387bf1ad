/** The program behind the bin: the only catch-all. Everything is written when it settles. */
import { EXIT_NO, EXIT_OK } from '../report/exit-code.ts'
import { main } from './main.ts'
import { closeStreams, processIo } from './terminal/process-io.ts'

/** Before the code that was compiled is kept. */
export const usualFlags = async (): Promise<void> => (await import('../process/v8-flags.ts')).setUsualFlags()

/** A fault that no run could turn into a report. */
const EXIT_FAULT = 70

export async function start(args: string[]): Promise<number> {
  const io = processIo()
  const code = await main(args, io).catch((error: unknown) => {
    io.stderr.write(`error: a fault in hostops itself: ${error instanceof Error ? error.stack : error}\n`)
    return EXIT_FAULT
  })
  const lost = await closeStreams()
  if (lost === null) return code
  io.stderr.write(`error: what was asked for could not be written to stdout: ${lost}\n`)
  if (args[0] === 'run') io.stderr.write('hint: hostops report last   prints the report line again\n')
  await closeStreams()
  // The code of a run tells how it ended, whoever can read its line.
  return code === EXIT_OK && args[0] !== 'run' ? EXIT_NO : code
}
