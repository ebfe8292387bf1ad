/** The program behind the bin: the only catch-all. Everything is written when it settles. */
import { main } from './main.ts'
import { closeStreams, processIo } from './process-io.ts'

/** Before the code that was compiled is kept. */
export const usualFlags = async (): Promise<void> => (await import('./v8-flags.ts')).usualFlags()

/** A fault that no run could turn into a report. */
const EXIT_FAULT = 70

export async function start(args: string[]): Promise<number> {
  const io = processIo()
  const code = await main(args, io).catch((error: unknown) => {
    io.stderr.write(`error: a fault in hostops itself: ${error instanceof Error ? error.stack : error}\n`)
    return EXIT_FAULT
  })
  await closeStreams()
  return code
}
