/**
 * ci-summary.mjs RESULT AGAIN FILE...: the last lines of `.ci/run`. Fails when a test of the second run was skipped or one
 * of its files was not played: a suite that nobody played says nothing.
 */
import { readFileSync } from 'node:fs'

const [first, second, ...wanted] = process.argv.slice(2)
const read = file => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: [], again: [], files: [] }
  }
}
const all = [read(first), read(second)]
const [, again] = all
const notPlayed = [...wanted.filter(file => !again.files.includes(file)), ...again.skipped]
for (const test of notPlayed) console.log(`ci: not played on the newer engine: ${test}`)
for (const test of all.flatMap(each => each.again)) console.log(`ci: needed a second try: ${test}`)
const sum = count => all.reduce((total, each) => total + count(each), 0)
const failed = sum(each => each.failed) + notPlayed.length
console.log(
  `${sum(each => each.passed)} passed, ${failed} failed, ${sum(each => each.skipped.length)} skipped`,
)
process.exit(failed > 0 ? 1 : 0)
