/** The machine goes down in the middle of a run, and comes back. */
import { readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { anotherBoot } from '../rig/another-boot.ts'
import { type CrashWorld, crashWorld } from '../rig/crash.ts'
import { dieIn } from '../rig/crash-death.ts'
import { crashBase } from '../rig/crash-service.ts'
import { poll } from '../rig/hostops.ts'
import { lockFileOf } from '../rig/lock-file.ts'

let base: ReturnType<typeof crashBase>
let world: CrashWorld
beforeAll(() => {
  base = crashBase()
})
afterAll(() => base.remove())
afterEach(() => world.remove())

/** Behind `migrate`, before `restart`. */
const goDown = async (where: 'local' | 'on-host') => {
  world = await crashWorld(base.app, where)
  const whole = await crashWorld(base.app, where)
  await whole.upgrade('v2')
  const at = whole.numbered().findIndex(event => event.type === 'step-started' && event.id === 'restart')
  await whole.remove()
  expect(
    await dieIn(world, { where, victim: 'machine', version: 'v2', verb: 'resume', at: `after:${at}` }),
  ).not.toBe(null)
  expect(world.ledger()).toEqual(['first', 'migrate', 'boot'])
}

describe('a machine that was down in the middle of a run', () => {
  test('holds the checkout for it: another run is told which one is to be finished first', async () => {
    await goDown('local')
    const another = () => world.rig.run(['run', world.rig.path('upgrade.yaml'), '-i', 'ref=v3'])
    const refused = await another()
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'interrupted-run' } })
    expect(refused.stderr).toContain('hostops resume r')
    expect((await world.hostops(['resume', 'r'])).report.outcome).toBe('succeeded')
    expect(lockFileOf(world.checkout)).toBeNull()
    expect(
      (await world.rig.run(['run', world.rig.path('upgrade.yaml'), '-i', 'ref=v2'])).report.success,
    ).toBe(true)
  })

  test('takes no process of this boot for the runner of the one before', async () => {
    await goDown('local')
    const wrap = anotherBoot(world.rig)
    if (wrap === null) return
    // As if this very process had got the number of the dead runner, and of who went on with it.
    const started = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]
    const head = join(world.runFolder, 'run.json')
    const { boot, ...rest } = JSON.parse(readFileSync(head, 'utf8'))
    expect(boot).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())
    writeFileSync(head, JSON.stringify({ ...rest, boot, pid: process.pid, pidStarted: started }))
    writeFileSync(join(world.runFolder, 'runner.7'), `${process.pid} ${started} ${boot}`)
    expect((await world.hostops(['resume', 'r'])).report.errorCode).toBe('has-a-runner')
    const resumed = await world.rig.run(['resume', 'r'], { wrap })
    expect(resumed.report.outcome).toBe('succeeded')
  })

  test('knows, by its boot id, that a process with the old pid is another one', async () => {
    await goDown('local')
    const wrap = anotherBoot(world.rig)
    if (wrap === null) return
    const file = lockFileOf(world.checkout)!
    const holder = JSON.parse(readlinkSync(file))
    rmSync(file)
    // As if this very process had got the pid of the dead one, and begun as long after the start of the machine.
    const processStart = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[19]
    symlinkSync(JSON.stringify({ ...holder, pid: process.pid, processStart }), file)
    const another = (...more: string[][]) =>
      world.rig.run(['run', world.rig.path('upgrade.yaml'), '-i', 'ref=v2'], { wrap: more.flat() })
    expect((await another()).report.errorCode).toBe('lock-held')
    expect((await another(wrap)).report.errorCode).toBe('interrupted-run')
  })

  test('has runs of its own half-way: its daemon names them, and they can be finished there', async () => {
    await goDown('on-host')
    const { host } = world
    const wrap = anotherBoot(world.rig)
    if (wrap !== null) {
      await host!.kill()
      await host!.start(wrap)
    }
    const asked = await world.ask('wait')
    expect(asked).toMatchObject({ code: 6, report: { outcome: 'unknown', success: null } })
    await poll(() => host!.log().includes(`HOSTOPS_STATE_DIR=${host!.state} hostops resume r`))
    const resumed = await world.rig.run(['resume', 'r'], {
      env: { HOSTOPS_STATE_DIR: host!.state },
      ...(wrap ? { wrap } : {}),
    })
    expect(resumed.report.outcome).toBe('succeeded')
    expect([world.count('migrate'), world.count('restart')]).toEqual([1, 1])
    expect((await world.ask('report')).stdout).toBe(resumed.stdout)
  })
})
