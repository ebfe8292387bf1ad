/** The disk or the state folder fails in the middle of a run. */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseJournal } from '../../src/runs/journal-text.ts'
import { ALL, LIMIT_MS } from '../rig/cells.ts'
import { type CrashWorld, crashWorld } from '../rig/crash.ts'
import { stoppedRunner } from '../rig/crash-death.ts'
import { noteInLedger } from '../rig/crash-service.ts'
import { crashTests } from '../rig/crash-tests.ts'
import { poll } from '../rig/hostops.ts'
import { noteFileOf } from '../rig/lock-file.ts'
import { smallDisk } from '../rig/small-disk.ts'

const { base, world, entryOf, dead, isAsBefore } = crashTests()

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
    expect(world().numbered()).toHaveLength(at - 1)
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

  test.each(['resume', 'rollback'])(
    'that is found full by who goes on with a run (%s): the line tells what is, now and later',
    async verb => {
      const disk = smallDisk(world().rig.state, '512k')
      if (disk === null) return
      try {
        await dead()
        disk.fill()
        const ended = await world().hostops([verb, 'r'])
        const told = `${ended.stdout}${ended.stderr}`
        // What its runner had kept free is enough for the way back, and not for another step.
        expect(ended.report.outcome, told).toMatch(/^(succeeded|rolled-back)$/)
        await isAs(world(), ended.report.outcome, told)
        disk.free()
        expect((await world().hostops(['report', 'r'])).stdout).toBe(ended.stdout)
        expect(world().count('restart')).toBeLessThan(2)
      } finally {
        disk.unmount()
      }
    },
  )

  test.each(['v2', 'v3'] as const)(
    'from each stage on: %s ends as its line says, and its journal tells the same later',
    async version => {
      const stages = await entriesOf(version)
      for (let stage = 1; stage <= stages; stage += ALL ? 1 : 10) await from(stage, version)
    },
    LIMIT_MS,
  )
})

describe('a record that cannot be written any more', () => {
  // What is done without a kind that can say whether it still holds.
  const blind = () =>
    world().rig.playbook('blind', [
      { id: 'one', run: note('one'), undo: note('undo-one') },
      { id: 'two', run: note('two'), undo: note('undo-two') },
      { id: 'three', run: note('three'), undo: note('undo-three') },
    ])
  const note = (word: string) => noteInLedger(world().folder, word)
  const runBlind = (die: string) => world().hostops(['run', blind(), '--run-id', 'r'], die)
  const startOf = async (step: string) => {
    await runBlind('')
    const at = world()
      .numbered()
      .findIndex(event => event.type === 'step-started' && event.id === step)
    rmSync(join(world().rig.state, 'runs'), { recursive: true })
    return at + 1
  }

  test.each(['readonly', 'unsynced'])(
    '%s in mid-run: what was done is taken back, the line says so and that only it does, and resume is not misled',
    async how => {
      const at = await startOf('three')
      const before = world().ledger()
      const ended = await runBlind(`${how}:${at}`)
      expect(ended.report).toMatchObject({
        outcome: 'rolled-back',
        errorCode: 'state-unwritable',
        recordIncomplete: true,
      })
      expect(ended.stderr).toContain('only the line on stdout tells how it ended')
      const done = ['one', 'two', 'undo-two', 'undo-one']
      expect(world().ledger()).toEqual([...before, ...done])
      if (how === 'unsynced') return
      expect((await world().hostops(['report', 'r'])).report).toMatchObject({ outcome: 'unknown' })
      for (const _ of ['once', 'twice']) {
        const later = await world().hostops(['resume', 'r', '--assume', 'not-done'])
        expect(later.report).toMatchObject({ outcome: 'unknown', errorCode: 'record-incomplete' })
        expect(later.stderr).toContain('ended as rolled-back')
      }
      expect(world().ledger()).toEqual([...before, ...done])
      const { id } = parseJournal(readFileSync(world().journalFile))
      expect(noteFileOf(id)).not.toBeNull()
      // Safe to do twice, by contract; after it the run has an end like any other.
      expect((await world().hostops(['rollback', 'r'])).report).toMatchObject({ rollbackVerified: null })
      expect((await world().hostops(['resume', 'r'])).report.errorCode).toBe('taken-back')
      expect(noteFileOf(id)).toBeNull()
    },
  )

  test('unsynced from its beginning: a way back that is asked for is gone all the same, a run is not begun', async () => {
    await runBlind('')
    const before = world().ledger()
    const back = await world().hostops(['rollback', 'r'], 'unsynced:1')
    expect(back.report).toMatchObject({ rollbackVerified: null, recordIncomplete: true })
    const undone = [...before, 'undo-three', 'undo-two', 'undo-one']
    expect(world().ledger()).toEqual(undone)
    const run = await world().hostops(['run', blind(), '--run-id', 'n'], 'unsynced:1')
    expect(run.report).toMatchObject({ outcome: 'failed-unchanged', errorCode: 'state-unwritable' })
    expect(world().ledger()).toEqual(undone)
  })

  test('and its runner is killed on the way back: resume is not misled', async () => {
    const at = await startOf('three')
    const before = world().ledger()
    const slow = world().rig.playbook('blind', [
      { id: 'one', run: note('one'), undo: note('undo-one') },
      { id: 'two', run: note('two'), undo: ['sh', '-c', 'echo undoing >&2; sleep 3'] },
      { id: 'three', run: note('three'), undo: note('undo-three') },
    ])
    const started = world().startHostops(['run', slow, '--run-id', 'r'], `readonly:${at}`)
    await started.until(/undoing/)
    started.child.kill('SIGKILL')
    await started.ended
    const later = await world().hostops(['resume', 'r'])
    expect(later.report).toMatchObject({ outcome: 'unknown', errorCode: 'record-incomplete' })
    expect(world().ledger()).toEqual([...before, 'one', 'two'])
    await world().quiet()
    // Takes the word on the target away, too.
    await world().hostops(['rollback', 'r'])
    expect((await world().hostops(['resume', 'r'])).report.errorCode).not.toBe('record-incomplete')
  })

  test(
    'from each stage on: the line tells what is, and no resume says later that the old version is the new one',
    async () => {
      const stages = await entriesOf('v3')
      for (let stage = 2; stage <= stages; stage += ALL ? 1 : 11) {
        const one = await crashWorld(base())
        try {
          const ended = await one.upgrade('v3', `readonly:${stage}`)
          const told = `from ${stage} on: ${ended.stdout}${ended.stderr}`
          expect(ended.report.outcome, told).toMatch(/^(rolled-back|failed-unchanged)$/)
          await isAs(one, ended.report.outcome, told)
          const later = await one.hostops(['resume', 'r'])
          const both = `${told}\nlater: ${later.stdout}${later.stderr}`
          expect(later.report.success, both).not.toBe(true)
          expect(one.count('restart'), both).toBeLessThan(2)
          await one.hostops(['rollback', 'r'])
        } finally {
          await one.remove()
        }
      }
    },
    LIMIT_MS,
  )
})

const entriesOf = async (version: 'v2' | 'v3') => {
  const whole = await crashWorld(base())
  try {
    await whole.upgrade(version)
    return whole.numbered().length
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
    const runner = await stoppedRunner(one, started)
    if (runner === null) return
    disk.fill()
    process.kill(runner, 'SIGCONT')
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
