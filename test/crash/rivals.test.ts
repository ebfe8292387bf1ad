/** Others want the same checkout, or the same run. */
import { readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ALL, LIMIT_MS } from '../rig/cells.ts'
import { crashTests } from '../rig/crash-tests.ts'
import { lockFileOf } from '../rig/lock-file.ts'
import { seeded } from '../rig/seeded.ts'

const { world, entryOf, dead } = crashTests()
const kept = (name: string) => join(dirname(world().journalFile), name)

describe('rivals', () => {
  const another = (...more: string[]) =>
    world().rig.run(['run', world().rig.path('upgrade.yaml'), '-i', 'ref=v2', '--run-id', 's', ...more])
  test('a run whose runner is dead is named, and recovered first', async () => {
    await dead()
    const refused = await another()
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'interrupted-run' } })
    expect(refused.stderr).toContain('hostops resume r')
    // Also while its end is still open after somebody has asked.
    await world().hostops(['resume', 'r'], `after:${3}`)
    expect((await another('--run-id', 't')).report.errorCode).toBe('interrupted-run')
    expect((await world().hostops(['resume', 'r'])).report.outcome).toMatch(/succeeded|unknown/)
  })

  test('an end that is not known keeps its lock until somebody has settled it', async () => {
    await world().upgrade('v2', `after:${await entryOf('restart')}`)
    expect((await world().hostops(['resume', 'r'])).report).toMatchObject({
      outcome: 'unknown',
      errorCode: 'end-not-seen',
    })
    expect((await another()).report.errorCode).toBe('interrupted-run')
    expect((await world().hostops(['rollback', 'r'])).report.outcome).toBe('rolled-back')
    expect(lockFileOf(world().checkout)).toBeNull()
  })

  test('a dead runner is proven dead under another state folder as well, which is told', async () => {
    await dead()
    const { rig } = world()
    const env = { HOSTOPS_STATE_DIR: rig.path('other-state') }
    const elsewhere = () => rig.run(['run', rig.path('upgrade.yaml'), '-i', 'ref=v2'], { env })
    const refused = await elsewhere()
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'interrupted-run' } })
    expect(refused.stderr).toContain(`finish it with HOSTOPS_STATE_DIR=${rig.state} hostops resume r,`)
    writeFileSync(kept('report.json'), JSON.stringify({ outcome: 'rolled-back' }))
    expect((await elsewhere()).report.outcome).toBe('succeeded')
  })

  test('a lock whose run had ended is taken over', async () => {
    await dead()
    writeFileSync(kept('report.json'), JSON.stringify({ outcome: 'rolled-back' }))
    expect((await another()).report.outcome).toBe('succeeded')
  })

  test('a lock from another machine is believed, and so is one that nobody can read', async () => {
    await dead()
    const file = lockFileOf(world().checkout)!
    const holder = JSON.parse(readlinkSync(file))
    for (const content of [JSON.stringify({ ...holder, machine: 'elsewhere' }), 'something else']) {
      rmSync(file)
      symlinkSync(content, file)
      const refused = await another('--run-id', content.slice(0, 4).replace(/\W/g, 'x'))
      expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'lock-held' } })
      // Not even its own run goes on past somebody else, and it stays as open as it was.
      if (content === 'something else') {
        expect((await world().hostops(['resume', 'r'])).report).toMatchObject({
          outcome: 'unknown',
          errorCode: 'lock-held',
        })
      }
    }
    rmSync(file)
    expect((await world().hostops(['resume', 'r'])).report.outcome).toBe('succeeded')
  })

  /** One that leaves a word in the ledger when it is not alone. */
  const raceTrack = () => {
    const { checkout, rig } = world()
    const inside = rig.path('inside')
    return rig.playbook('race', [
      { id: 'own', uses: 'git.checkout', with: { repo: checkout, ref: 'v1' } },
      {
        id: 'in',
        script: `mkdir '${inside}' || echo two >> '${rig.path('ledger')}'; sleep 0.02; rmdir '${inside}'`,
        undo: ['true'],
      },
    ])
  }

  test(
    'two runs race for one checkout again and again, and some are killed: never two holders',
    async () => {
      const random = seeded(Date.now())
      const race = raceTrack()
      let killed = 0
      for (let round = 0; round < (ALL ? 100 : 24); round += 1) {
        const ids = [`a${round}`, `b${round}`]
        const both = ids.map(id => world().rig.start(['run', race, '-q', '--run-id', id]))
        if (round % 4 === 3) setTimeout(() => both[0]!.child.kill('SIGKILL'), 100 + random() * 400)
        const ended = await Promise.all(both.map(each => each.ended))
        expect(world().count('two'), `round ${round}`).toBe(0)
        const alive = ended.filter(({ signal }) => signal === null)
        for (const { report } of alive)
          if (report.success !== true)
            expect(['lock-held', 'interrupted-run'], `round ${round}`).toContain(report.errorCode)
        if (alive.length === 2) expect(alive.map(({ report }) => report.success)).toContain(true)
        else if (world().rig.runIds().includes(ids[0]!)) {
          killed += 1
          const back = await world().rig.run(['rollback', ids[0]!])
          // Killed when it had been turned back already, it has nothing to take back.
          if (back.code === 3) expect(back.report.errorCode, back.stdout).toBe('lock-held')
          else expect([0, 1], back.stdout).toContain(back.code)
        }
      }
      expect(killed).toBeGreaterThan(0)
      expect(lockFileOf(world().checkout)).toBeNull()
    },
    LIMIT_MS,
  )

  test('those who wait for the checkout get their turn, one at a time', async () => {
    const race = raceTrack()
    for (let round = 0; round < 3; round += 1) {
      const ended = await Promise.all(
        [1, 2, 3, 4].map(() => world().rig.run(['run', race, '-q', '--wait-lock', '60s'])),
      )
      expect(ended.map(({ report }) => report.success)).toEqual(Array(4).fill(true))
    }
    expect(world().count('two')).toBe(0)
  })

  test('many resume one run at once: one of them does it', async () => {
    await dead()
    const ended = await Promise.all([1, 2, 3, 4, 5, 6].map(() => world().hostops(['resume', 'r'])))
    const line = (await world().hostops(['report', 'r'])).stdout
    for (const { code, stdout, stderr, report } of ended) {
      if (code === 0) expect(stdout).toBe(line)
      else expect([code, report.outcome, report.errorCode], stderr).toEqual([3, 'refused', 'has-a-runner'])
    }
    expect(ended.some(({ code }) => code === 0)).toBe(true)
    expect([world().count('migrate'), world().count('restart')]).toEqual([1, 1])
  })

  test('a run whose runner lives is not taken from it', async () => {
    const started = world().start('v3')
    await started.until(/health: started/)
    for (const verb of ['resume', 'rollback'])
      expect(await world().hostops([verb, 'r'])).toMatchObject({
        code: 3,
        report: { outcome: 'refused', errorCode: 'has-a-runner' },
        stderr: expect.stringContaining('still has a runner'),
      })
    expect((await started.ended).report.outcome).toBe('rolled-back')
  })
})
