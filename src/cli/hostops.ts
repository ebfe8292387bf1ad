#!/usr/bin/env node
/** The bin: the only catch-all and the only exit. The version is answered before anything else is loaded. */
import { writeSync } from 'node:fs'
import { VERSION } from '../hostlink/version.ts'

const args = process.argv.slice(2)

if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  try {
    writeSync(1, `${VERSION}\n`)
  } catch {
    // Nobody reads it.
  }
} else {
  const { main } = await import('./main.ts')
  const { closeStreams, processIo } = await import('./process-io.ts')
  const io = processIo()
  let code: number
  try {
    code = await main(args, io)
  } catch (error) {
    code = 70
    io.stderr.write(`error: a fault in hostops itself: ${error instanceof Error ? error.stack : error}\n`)
  }
  await closeStreams()
  process.exit(code)
}
