/** Built and run by `build/bundle.mjs`: `make-cache FOLDER PARTS CALLS` keeps the code that typical calls have compiled. */
import { writeFileSync } from 'node:fs'
import { compiledName } from '../build/compile.ts'
import { openProgram, partFile } from '../build/parts.ts'
import type * as Start from '../cli/start.ts'

const [folder = '', parts = '[]', calls = '[]'] = process.argv.slice(2)
const program = openProgram<typeof Start>(folder, './start.js', () => undefined)
let code = 0
for (const args of JSON.parse(calls) as string[][]) code ||= await program.entry.start(args)
await program.entry.usualFlags()
// Parts that no call has read are compiled as well, so that V8 need not find the bounds of their modules again.
for (const part of JSON.parse(parts) as string[]) program.read(part)
for (const [part, { makeCode }] of program.parts())
  writeFileSync(compiledName(partFile(folder, part)), makeCode())
process.exit(code)
