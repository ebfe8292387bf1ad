/** Built and run by bundle.mjs: `make-cache FILE ARGS...` keeps the code that a typical call has compiled. */
import { writeFileSync } from 'node:fs'
import { cacheOf, compile } from './require-cached.ts'
import type * as Program from './start.ts'

const [file = '', ...args] = process.argv.slice(2)
const { exports, makeCache } = compile(file, undefined)
const code = await (exports as typeof Program).start(args)
writeFileSync(cacheOf(file), makeCache())
process.exit(code)
