/** The way to the host breaks, or its daemon dies, in the middle of one command. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { crashWorld } from '../rig/crash.ts'
import { crashBase } from '../rig/crash-service.ts'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'

let base: ReturnType<typeof crashBase>
beforeAll(() => {
  base = crashBase()
})
afterAll(() => base.remove())

test('in the middle of a command through hostlink: the daemon tells how it ended, and it is not run again', async () => {
  const world = await crashWorld(base.app, 'hostlink')
  try {
    const ledger = world.rig.path('ledger')
    const step = {
      id: 'long',
      script: `echo migrate >> '${ledger}'; echo on; sleep 1; echo restarted >> '${ledger}'`,
      undo: ['true'],
    }
    const playbook = world.rig.playbook('long', [step, { id: 'next', run: ['true'] }])
    const started = world.startHostops(['run', playbook, '--target', 'hostlink', '--run-id', 'r'])
    await started.until(/long \| on/)
    started.child.kill('SIGKILL')
    await started.ended
    const resumed = await world.hostops(['resume', 'r'])
    expect(resumed, resumed.stderr).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect(world.ledger()).toEqual(['first', 'migrate', 'restarted'])
    expect((await world.hostops(['resume', 'r'])).stdout).toBe(resumed.stdout)
  } finally {
    await world.remove()
  }
})

test('a way back that failed there is gone again once its cause is mended, and what follows it as well', async () => {
  const world = await crashWorld(base.app, 'hostlink')
  try {
    const [ledger, mended] = [world.rig.path('ledger'), world.rig.path('mended')]
    const steps = [
      {
        id: 'write',
        run: ['sh', '-c', `echo migrate >> '${ledger}'`],
        undo: ['sh', '-c', `test -e '${mended}' && echo unmigrate >> '${ledger}'`],
        reactivate: ['sh', '-c', `echo again >> '${ledger}'`],
      },
      { id: 'fails', run: ['false'], undo: ['true'] },
    ]
    const playbook = world.rig.playbook('back', steps)
    const ended = await world.hostops(['run', playbook, '--target', 'hostlink', '--run-id', 'r'])
    expect(ended).toMatchObject({ code: 5, report: { outcome: 'rollback-failed' } })
    expect((await world.hostops(['rollback', 'r'])).report.outcome).toBe('rollback-failed')
    world.rig.write('mended', '')
    const back = await world.hostops(['rollback', 'r'])
    expect(back, back.stderr).toMatchObject({ code: 1, report: { outcome: 'rolled-back' } })
    expect(world.ledger()).toEqual(['first', 'migrate', 'again', 'again', 'unmigrate', 'again'])
    expect((await world.hostops(['rollback', 'r'])).stdout).toBe(back.stdout)
  } finally {
    await world.remove()
  }
})

test('in the middle of a second attempt: it is asked how that one ended, not the first one', async () => {
  const world = await crashWorld(base.app, 'hostlink')
  try {
    const ledger = world.rig.path('ledger')
    const step = {
      id: 'long',
      script: `echo migrate >> '${ledger}'
test "$(grep -c migrate '${ledger}')" -eq 2 || exit 1
echo on; sleep 1; echo restarted >> '${ledger}'`,
      undo: ['true'],
      retry: { attempts: 2, delay: '10ms' },
    }
    const playbook = world.rig.playbook('long', [step, { id: 'next', run: ['true'] }])
    const started = world.startHostops(['run', playbook, '--target', 'hostlink', '--run-id', 'r'])
    await started.until(/long \| on/)
    started.child.kill('SIGKILL')
    await started.ended
    const resumed = await world.hostops(['resume', 'r'])
    expect(resumed, resumed.stderr).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect(resumed.report.steps[0]).toMatchObject({ id: 'long', status: 'succeeded', attempts: 2 })
    const asked = world.events().filter(event => event.type === 'step-started' && event.id === 'long')
    expect(asked).toMatchObject([{ attempt: 1 }, { attempt: 2 }, { attempt: 2 }])
    expect(world.ledger()).toEqual(['first', 'migrate', 'migrate', 'restarted'])
  } finally {
    await world.remove()
  }
})

test.each([
  [30, 'nobody knows, and a person settles it', 'elsewhere'],
  [30, 'forgotten with it', 'same'],
  [600, 'it goes on, and tells how it ended once the daemon is back', 'same'],
])('the daemon is killed in the middle of a command of at most %i s: %s', async (limit, _, spool) => {
  const world = await crashWorld(base.app, 'hostlink')
  const first = await startDaemonRig()
  let second: DaemonRig | null = null
  try {
    const ledger = world.rig.path('ledger')
    const step = {
      id: 'long',
      script: `echo migrate >> '${ledger}'; echo on; sleep 1`,
      undo: ['true'],
      timeout: `${limit}s`,
    }
    const playbook = world.rig.playbook('long', [step, { id: 'next', run: ['true'] }])
    const env = { HOSTLINK_SOCKET: first.socket, HOSTLINK_TOKEN: first.token }
    const started = world.rig.start(['run', playbook, '--target', 'hostlink', '--run-id', 'r'], { env })
    await started.until(/long \| on/)
    first.signal('SIGKILL')
    expect(await started.ended).toMatchObject({ code: 6, report: { outcome: 'unknown', success: null } })
    const gone = await world.rig.run(['resume', 'r'], { env })
    expect(gone).toMatchObject({ code: 6, report: { outcome: 'unknown', errorCode: 'unreachable' } })
    second = await startDaemonRig({
      config: { unix_path: first.socket, ...(spool === 'same' ? { output_tmpdir: first.outputFolder } : {}) },
    })
    const back = { env }
    const asked = await world.rig.run(['resume', 'r'], back)
    if (limit === 600) expect(asked).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    else expect(asked).toMatchObject({ code: 6, report: { outcome: 'unknown', errorCode: 'end-not-seen' } })
    const settled = await world.rig.run(['resume', 'r', '--assume', 'done'], back)
    expect(settled).toMatchObject({ code: 0, report: { outcome: 'succeeded' } })
    expect((await world.rig.run(['report', 'r'], back)).stdout).toBe(settled.stdout)
    expect(world.count('migrate')).toBe(1)
  } finally {
    await second?.stop()
    await first.stop()
    await world.remove()
  }
})
