/**
 * ci-summary.mjs QUICK MACHINE NEWER FILE...: the last lines of `.ci/run`. Fails when a test file was not played, and when
 * one of the FILEs, or a test in them, was not played on the newer engine: a suite that was skipped says nothing.
 */
import { readdirSync, readFileSync } from 'node:fs'

const [quick, machine, newer] = process.argv.slice(2, 5).map(file => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: [], again: [], files: [] }
  }
})
const all = [quick, machine, newer]
const played = [...quick.files, ...machine.files]
const tests = readdirSync('test', { recursive: true }).filter(name => name.endsWith('.test.ts'))
const notPlayed = [
  ...tests.map(name => `test/${name}`).filter(file => !played.includes(file)),
  ...[...process.argv.slice(5).filter(file => !newer.files.includes(file)), ...newer.skipped].map(
    name => `${name} (newer engine)`,
  ),
]
for (const name of notPlayed) console.log(`ci: not played: ${name}`)
for (const name of all.flatMap(each => each.again)) console.log(`ci: needed a second try: ${name}`)
const sum = count => all.reduce((total, each) => total + count(each), 0)
const failed = sum(each => each.failed) + notPlayed.length
console.log(
  `${sum(each => each.passed)} passed, ${failed} failed, ${sum(each => each.skipped.length)} skipped`,
)
process.exit(failed > 0 ? 1 : 0)
