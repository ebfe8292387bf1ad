#!/usr/bin/env node
/**
 * hostops: the only place of the runner that ends the process. The version is printed before anything else is loaded. Built as
 * CommonJS, because Node's ES module loader alone is a tenth of what an empty program costs.
 */
import { writeSync } from 'node:fs'
import { findCode, keepCode } from '../build/code-cache.ts'
import { openProgram, partFile } from '../build/parts.ts'
import { VERSION } from '../build/version.ts'
import type * as Start from '../cli/start.ts'

const args = process.argv.slice(2)

if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  try {
    writeSync(1, `${VERSION}\n`)
  } catch {
    // Nobody reads it.
  }
} else {
  const folder = import.meta.dirname
  const find = (part: string) => findCode({ part, file: partFile(folder, part) }, args, process.env)
  const program = openProgram<typeof Start>(folder, './start.js', part => find(part).code)
  void program.entry.start(args).then(async exitCode => {
    if (exitCode === 0) await keepWhatWasCompiled(find, program)
    process.exit(exitCode)
  })
}

async function keepWhatWasCompiled(
  find: (part: string) => ReturnType<typeof findCode>,
  program: ReturnType<typeof openProgram<typeof Start>>,
): Promise<void> {
  for (const [part, { wasCompiled, makeCode }] of program.parts()) {
    const keepAs = wasCompiled ? null : find(part).keepAs
    if (keepAs === null) continue
    await program.entry.usualFlags()
    keepCode(keepAs, makeCode())
  }
}
