// Runs every bench in this folder, prints one table, and fails when a limit is missed. `--only NAME` runs one.
import { readdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { printTable } from './rig.mjs'

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values
const names = readdirSync(new URL('.', import.meta.url))
  .filter(file => file.endsWith('.mjs') && !['all.mjs', 'rig.mjs'].includes(file))
  .map(file => file.slice(0, -'.mjs'.length))
  .sort()
const asked = only === undefined ? names : names.filter(name => name === only)
if (asked.length === 0) {
  console.error(`there is no bench ${only}\nhint: one of ${names.join(', ')}`)
  process.exit(2)
}

const rows = []
for (const name of asked) {
  console.error(`bench ${name} ...`)
  const { run } = await import(`./${name}.mjs`)
  try {
    for (const row of await run()) rows.push({ ...row, name: `${name}: ${row.name}` })
  } catch (error) {
    console.error(error)
    rows.push({ name: `${name}: failed`, value: 0, unit: '', limit: 'to run', ok: false })
  }
}
printTable(rows)
process.exitCode = rows.every(row => row.ok) ? 0 : 1
