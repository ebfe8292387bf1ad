#!/usr/bin/env node
/**
 * The bin: the only exit. The version is answered before anything else is loaded. Built as CommonJS, because Node's
 * ES module loader alone is a tenth of what an empty program costs.
 */
import { writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../hostlink/version.ts'
import { requireCached } from './require-cached.ts'
import type * as Program from './start.ts'

const args = process.argv.slice(2)

if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  try {
    writeSync(1, `${VERSION}\n`)
  } catch {
    // Nobody reads it.
  }
} else {
  // Beside this file in the bundle, from start.ts.
  const program = requireCached(fileURLToPath(new URL('./hostops-main.cjs', import.meta.url)))
  void (program as typeof Program).start(args).then(code => process.exit(code))
}
