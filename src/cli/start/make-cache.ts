/** Built and run by bundle.mjs: `make-cache FILE CALLS` keeps the code that typical calls have compiled. */
import { writeFileSync } from 'node:fs'
import { compile, compiledName } from './compile.ts'
import type * as Program from './start.ts'

const [file = '', calls = '[]'] = process.argv.slice(2)
const { exports, makeCode } = compile(file, undefined)
const { start, usualFlags } = exports as typeof Program
let code = 0
for (const args of JSON.parse(calls) as string[][]) code ||= await start(args)
await usualFlags()
writeFileSync(compiledName(file), makeCode())
process.exit(code)
