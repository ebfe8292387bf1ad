/** For `.ci/run`: writes counts, and names skipped tests and those that needed a second try, to HOSTOPS_CI_RESULT. */
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
    const result = {
      passed: named(test => state(test) === 'passed').length,
      failed: failed.length + broken.length + (unhandled.length > 0 ? 1 : 0),
      skipped: named(test => state(test) === 'skipped'),
      again: named(test => (test.diagnostic()?.retryCount ?? 0) > 0),
      files: modules.map(module => module.relativeModuleId),
    }
    writeFileSync(process.env.HOSTOPS_CI_RESULT, JSON.stringify(result))
  }
}
