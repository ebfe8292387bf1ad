/** The disk or the state folder fails in the middle of a run. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ALL, LIMIT_MS } from '../rig/cells.ts'
import { type CrashWorld, crashWorld } from '../rig/crash.ts'
import { crashTests } from '../rig/crash-tests.ts'
import { poll } from '../rig/hostops.ts'
import { smallDisk } from '../rig/small-disk.ts'

const { base, world, entryOf, isAsBefore } = crashTests()

describe('a disk that is full', () => {
  test('before an intent: the step is not done, what was done is taken back, the journal stays whole', async () => {
    const at = await entryOf('restart')
    const ended = await world().upgrade('v2', `full:${at}`)
    expect(ended.report).toMatchObject({
      outcome: 'rolled-back',
      errorCode: 'state-unwritable',
      failedStep: 'restart',
    })
    expect(ended.code).toBe(1)
    expect(world().count('restart')).toBe(0)
    expect(world().ledger()).toEqual(['first', 'migrate', 'unmigrate'])
    await isAsBefore()
    expect(world().events()).toHaveLength(at - 1)
  })

  test('for a moment: what could not be written is written before the next entry', async () => {
    const at = await entryOf('restart')
    // The end of the step before is lost at first.
    const ended = await world().upgrade('v2', `full:${at - 1}:1`)
    expect(ended.report.outcome).toBe('succeeded')
    const numbers = readFileSync(world().journalFile, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).seq)
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  })

  test('from the start, with room for some files and not for others: refused, nothing is touched', async () => {
    const disk = smallDisk(world().rig.state, '256k')
    if (disk === null) return
    try {
      for (const left of [0, 4096, 8192, 12_288]) {
        rmSync(join(world().rig.state, 'runs'), { recursive: true, force: true })
        disk.fill(left)
        const ended = await world().upgrade('v2')
        const { outcome } = ended.report
        expect([outcome, ended.report.errorCode], `${left} bytes`).toEqual(
          outcome === 'refused'
            ? ['refused', 'state-unwritable']
            : [expect.stringMatching(/^(failed-unchanged|rolled-back)$/), 'state-unwritable'],
        )
        expect(world().count('restart')).toBe(0)
        await isAsBefore()
      }
    } finally {
      disk.unmount()
    }
  })

  test('in a state folder that is in memory: a run like any other, and its report again', async () => {
    const disk = smallDisk(world().rig.state, '1m')
    if (disk === null) return
    try {
      const ended = await world().upgrade('v2')
      expect(ended.report.outcome).toBe('succeeded')
      disk.makeReadOnly()
      expect((await world().hostops(['report', 'r'])).stdout).toBe(ended.stdout)
      expect((await world().hostops(['resume', 'r'])).stdout).toBe(ended.stdout)
      const refused = await world().rig.run(['run', world().rig.path('upgrade.yaml'), '-i', 'ref=v1'])
      expect([refused.report.outcome, refused.report.errorCode, refused.code]).toEqual([
        'refused',
        'state-unwritable',
        3,
      ])
      const back = await world().hostops(['rollback', 'r'])
      expect(back).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'state-unwritable' } })
      expect(back.stderr).toContain('read-only')
      expect(await world().says()).toBe('v2')
    } finally {
      disk.unmount()
    }
  })

  test.each(['v2', 'v3'] as const)(
    'from each stage on: %s ends as its line says, and its journal tells the same later',
    async version => {
      const stages = await entriesOf(version)
      for (let stage = 1; stage <= stages; stage += ALL ? 1 : 5) await from(stage, version)
    },
    LIMIT_MS,
  )
})

const entriesOf = async (version: 'v2' | 'v3') => {
  const whole = await crashWorld(base())
  try {
    await whole.upgrade(version)
    return whole.events().length
  } finally {
    await whole.remove()
  }
}

async function from(stage: number, version: 'v2' | 'v3'): Promise<void> {
  const one = await crashWorld(base())
  const disk = smallDisk(one.rig.state, '512k')
  try {
    if (disk === null) return
    const started = one.start(version, `stop:${stage}`)
    await poll(() => existsSync(one.stoppedFile) || started.child.exitCode !== null)
    if (!existsSync(one.stoppedFile)) return
    disk.fill()
    process.kill(Number(readFileSync(one.stoppedFile, 'utf8')), 'SIGCONT')
    const ended = await started.ended
    const told = `from ${stage} on: ${ended.stdout}${ended.stderr}`
    expect(ended.report.outcome, told).toMatch(/^(succeeded|rolled-back|failed-unchanged)$/)
    await isAs(one, ended.report.outcome, told)
    disk.free()
    // Somebody does not trust that line, or never saw it.
    const later = await one.hostops(['resume', 'r'])
    const both = `${told}\nlater: ${later.stdout}${later.stderr}`
    await isAs(one, later.report.outcome, both)
    expect(later.report.outcome, both).toBe(ended.report.outcome)
    expect(
      [one.count('migrate'), one.count('restart')].filter(times => times > 1),
      both,
    ).toEqual([])
  } finally {
    disk?.unmount()
    await one.remove()
  }
}

async function isAs(one: CrashWorld, outcome: string, told: string): Promise<void> {
  const version = outcome === 'succeeded' ? 'v2' : 'v1'
  expect(one.head(), told).toBe(version)
  await poll(async () => (await one.says()) !== null)
  expect(await one.says(), told).toBe(version)
}
