/** A version that answers well and dies later, again and again: it stands only once the whole window has been good. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeStack, type Stack, TARGETS, withoutDocker } from '../rig/docker.ts'
import { type HostopsRig, hostopsRig } from '../rig/hostops.ts'
import { type Reached, reach } from '../rig/target.ts'

const missing = withoutDocker('a late crash')

/** v2 answers well for five seconds and then dies, again and again. */
const LATE_CRASH = `services:
  gateway:
    command:
      - sh
      - -c
      - 'echo begins >&2; /app/start.sh & if [ "$$(cat /app/VERSION)" = v1 ]; then wait; fi; sleep 5; echo "panic: out of cards" >&2; exit 7'
`

/** Where one restart is forgiven it dies again, and again within a window that began anew. */
const CASES = [
  [0, TARGETS[0]!],
  [1, TARGETS.at(-1)!],
] as const

describe.skipIf(missing !== null)('an upgrade to such a version', () => {
  let rig: HostopsRig
  let stack: Stack
  let at: Reached
  beforeEach(() => {
    rig = hostopsRig()
  })
  afterEach(async () => {
    stack?.remove()
    await at.stop()
    await rig.remove()
  })

  const playbook = (maxRestarts: number) => {
    const urls = [`${stack.url}/healthz`, `${stack.url}/readyz`]
    return rig.playbook(
      'upgrade',
      [
        { uses: 'git.dirty-check' },
        { uses: 'git.fetch' },
        { uses: 'git.checkout', with: { ref: 'v2' } },
        { uses: 'compose.build' },
        { uses: 'compose.up', with: { maxRestarts } },
        { uses: 'health.poll', with: { urls, timeout: '60s', interval: '500ms', for: '20s' } },
      ],
      { defaults: { repo: stack.dir, dir: stack.dir, files: stack.files, services: ['gateway'] } },
    )
  }

  test.each(CASES)('with %i restarts allowed is no success, on %s', async (maxRestarts, target) => {
    at = await reach(target, rig.folder)
    stack = await makeStack({ override: LATE_CRASH })
    const before = stack.running()
    const file = playbook(maxRestarts)
    const { report, code } = await rig.run(['run', file, ...at.args], { env: at.env })
    expect(report).toMatchObject({
      outcome: 'rolled-back',
      rollbackVerified: true,
      failedStep: 'health.poll',
      errorCode: 'not-stable',
      target,
    })
    expect(report.failedService).toMatchObject({ name: 'gateway', exitCode: 7 })
    expect(report.failedService?.restarts).toBeGreaterThanOrEqual(maxRestarts)
    expect(report.error).toContain('panic: out of cards')
    // Of its first life `up` has used some; the next one was looked at from its beginning.
    expect(report.watchedSeconds).toBeGreaterThan(5 * maxRestarts)
    expect(code).toBe(1)
    expect(stack.running()).toEqual(before)
  })
})
