/** The disk or the state folder fails in the middle of a run. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { crashTests } from '../rig/crash-tests.ts'

const { world, entryOf, isAsBefore } = crashTests()

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

  const small = (size: string) => {
    try {
      mkdirSync(world().rig.state, { recursive: true })
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', world().rig.state], {
        stdio: 'pipe',
      })
      return true
    } catch (error) {
      console.warn(`NOT TESTED: a small disk cannot be mounted here (${(error as Error).message.trim()})`)
      return false
    }
  }
  const unmount = () => execFileSync('umount', ['-l', world().rig.state])
  const fill = (left = 0) => {
    execFileSync('sh', ['-c', `dd if=/dev/zero of='${world().rig.state}/fill' bs=1k 2>/dev/null || true`])
    if (left > 0) execFileSync('truncate', ['-s', `-${left}`, join(world().rig.state, 'fill')])
  }

  test('from the start, with room for some files and not for others: refused, nothing is touched', async () => {
    if (!small('256k')) return
    try {
      for (const left of [0, 4096, 8192, 12_288]) {
        rmSync(join(world().rig.state, 'runs'), { recursive: true, force: true })
        fill(left)
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
      unmount()
    }
  })

  test('in a state folder that is in memory: a run like any other, and its report again', async () => {
    if (!small('1m')) return
    try {
      const ended = await world().upgrade('v2')
      expect(ended.report.outcome).toBe('succeeded')
      execFileSync('mount', ['-o', 'remount,ro', world().rig.state])
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
      unmount()
    }
  })
})
