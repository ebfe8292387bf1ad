#!/usr/bin/env node
/**
 * The bin: the only exit. The version is answered before anything else is loaded. Built as CommonJS, because Node's
 * ES module loader alone is a tenth of what an empty program costs.
 */
import { writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { VERSION } from '../../hostlink/version.ts'
import { compile } from './compile.ts'
import { findCode, keepCode } from './kept-code.ts'
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
  const file = fileURLToPath(new URL('./hostops-main.cjs', import.meta.url))
  const { code, keepAs } = findCode(file, args, process.env)
  const { exports, wasCompiled, makeCode } = compile(file, code)
  const { start, usualFlags } = exports as typeof Program
  void start(args).then(async exitCode => {
    if (exitCode === 0 && keepAs !== null && !wasCompiled) {
      await usualFlags()
      keepCode(keepAs, makeCode())
    }
    process.exit(exitCode)
  })
}
