/** For `.ci/run`: writes counts, and names what was skipped or needed a second try, to HOSTOPS_CI_RESULT. */
import { writeFileSync } from 'node:fs'

export default class CiReporter {
  onTestRunEnd(modules, unhandled) {
    const tests = modules.flatMap(module => [...module.children.allTests()])
    const named = wanted =>
      tests.filter(wanted).map(test => `${test.module.relativeModuleId}: ${test.fullName}`)
    const state = test => test.result().state
    const failed = named(test => state(test) === 'failed')
    // A file that does not load, and a hook that throws, fail no test of their own.
    const broken = modules.filter(module => !module.ok() && ![...module.children.allTests('failed')].length)
    const isPlayed = module => [...module.children.allTests()].some(test => state(test) !== 'skipped')
    const result = {
      passed: named(test => state(test) === 'passed').length,
      failed: [
        ...failed,
        ...broken.map(module => module.relativeModuleId),
        ...unhandled.slice(0, 1).map(String),
      ],
      skipped: named(test => state(test) === 'skipped'),
      again: named(test => state(test) === 'passed' && (test.diagnostic()?.retryCount ?? 0) > 0),
      // Those of which at least one test was played.
      files: modules.filter(isPlayed).map(module => module.relativeModuleId),
    }
    writeFileSync(process.env.HOSTOPS_CI_RESULT, JSON.stringify(result))
  }
}
