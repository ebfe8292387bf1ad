/** A caller that has lost its patience: SIGTERM, and SIGKILL soon after, as agents' exec tools do it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { crashTests } from '../rig/crash-tests.ts'
import { poll } from '../rig/hostops.ts'
import { kill } from '../rig/processes.ts'

const { world, isAsBefore } = crashTests()

/** Told to end while `health` waits for a version that never gets ready, and killed 300 ms later. */
async function killedByItsCaller() {
  const started = world().start('v3')
  await poll(() =>
    world()
      .events()
      .some(event => event.type === 'step-started' && event.id === 'health'),
  )
  started.child.kill('SIGTERM')
  await sleep(300)
  kill(started.child.pid!)
  return started.ended
}

describe('a run that is killed after it was told to end', () => {
  test('is taken back by the process that stands by, and tells that', async () => {
    const ended = await killedByItsCaller()
    expect(ended.signal).toBe('SIGKILL')
    expect(ended.stderr).toContain('another one rolls back: hostops wait r')
    await poll(() => world().isOver())
    const told = await world().hostops(['wait', 'r', '--timeout', '20s'])
    expect(told.report).toMatchObject({ outcome: 'rolled-back', rollbackVerified: true })
    await isAsBefore()
    expect(world().count('unmigrate')).toBe(1)
  })

  test('is left alone by it when it has ended in order', async () => {
    const started = world().start('v3')
    await poll(() =>
      world()
        .events()
        .some(event => event.type === 'step-started' && event.id === 'health'),
    )
    started.child.kill('SIGTERM')
    const ended = await started.ended
    expect(ended).toMatchObject({ code: 143, report: { outcome: 'interrupted', rollbackVerified: true } })
    await world().quiet()
    expect((await world().hostops(['report', 'r'])).stdout).toBe(ended.stdout)
    expect(world().count('unmigrate')).toBe(1)
  })
})
