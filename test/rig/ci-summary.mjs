/**
 * ci-summary.mjs QUICK MACHINE NEWER OPENCLAW WINDOWS FILE...: the last lines of `.ci/run`. Fails when a test file was not played, and
 * when one of the FILEs, or a test in them, was not played on the newer engine or with OpenClaw: a suite that was skipped says
 * nothing. Files of OpenClaw's tests that are not among the FILEs are left out on purpose: they are named, and count as skipped.
 */
import { readdirSync, readFileSync } from 'node:fs'

const [quick, machine, newer, openclaw, windows] = process.argv.slice(2, 7).map(file => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: [`no result in ${file}`], skipped: [], again: [], files: [] }
  }
})
const all = [quick, machine, newer, openclaw, windows]
const asked = process.argv.slice(7)
const isOpenclaw = file => /^test\/openclaw\/[^/]+$/.test(file)
const played = [...quick.files, ...machine.files, ...openclaw.files, ...windows.files]
const tests = readdirSync('test', { recursive: true }).filter(name => name.endsWith('.test.ts'))
const files = tests.map(name => `test/${name}`)
const left = files.filter(file => isOpenclaw(file) && !asked.includes(file))
/** To build git.exe takes minutes: a machine that has none leaves its tests out. */
const withoutGit = process.env.HOSTOPS_WINDOWS_GIT === 'none' ? ['test/windows/git.test.ts'] : []
const missing = (result, given) => [...given.filter(file => !result.files.includes(file)), ...result.skipped]
const notPlayed = [
  ...files.filter(file => ![...played, ...left, ...withoutGit].includes(file)),
  ...missing(
    newer,
    asked.filter(file => !isOpenclaw(file)),
  ).map(name => `${name} (newer engine)`),
  ...openclaw.skipped,
]
for (const name of left) console.log(`ci: left to npm run test:openclaw: ${name}`)
for (const name of withoutGit) console.log(`ci: left out without a git.exe: ${name}`)
for (const name of notPlayed) console.log(`ci: not played: ${name}`)
for (const name of all.flatMap(each => each.failed)) console.log(`ci: failed: ${name}`)
for (const name of all.flatMap(each => each.again)) console.log(`ci: needed a second try: ${name}`)
const sum = count => all.reduce((total, each) => total + count(each), 0)
const failed = sum(each => each.failed.length) + notPlayed.length
console.log(
  `${sum(each => each.passed)} passed, ${failed} failed, ${sum(each => each.skipped.length) + left.length} skipped`,
)
process.exit(failed > 0 ? 1 : 0)
