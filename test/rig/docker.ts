/** Whether tests on a real Docker engine can run here: skipped with a loud word, or failed where CI demands them. */
import { execFileSync } from 'node:child_process'

export function dockerAnswers(): boolean {
  try {
    execFileSync('docker', ['version', '--format', '{{.Server.Version}}'], {
      stdio: 'ignore',
      timeout: 20_000,
    })
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore', timeout: 20_000 })
    return true
  } catch (error) {
    if (process.env.HOSTOPS_REQUIRE_DOCKER === '1')
      throw new Error('HOSTOPS_REQUIRE_DOCKER=1, and no Docker engine answers: bash test/docker/install.sh', {
        cause: error,
      })
    console.warn('SKIPPED: no Docker engine answers; to run these tests: bash test/docker/install.sh')
    return false
  }
}
