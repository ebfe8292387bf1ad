/** What else can go wrong around a run: its disk, its files, its clock, its rivals, its signals. Real processes all. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { type CrashWorld, crashBase, crashWorld } from '../rig/crash.ts'
import { poll } from '../rig/hostops.ts'

let base: ReturnType<typeof crashBase>
let world: CrashWorld
beforeAll(() => {
  base = crashBase()
})
afterAll(() => base.remove())
beforeEach(async () => {
  world = await crashWorld(base.app)
})
afterEach(() => world.remove())

const folder = () => dirname(world.journalFile)
const kept = (name: string) => join(folder(), name)
/** The entry that says that a step begins; the next thing would be its command. */
const entryOf = async (step: string) => {
  if (usual.length === 0) {
    const other = await crashWorld(base.app)
    try {
      await other.upgrade('v2')
      usual = other.events()
    } finally {
      await other.remove()
    }
  }
  return usual.findIndex(event => event.type === 'step-started' && event.id === step) + 1
}
let usual: Event[] = []
/** Dead right before the service is restarted. */
const dead = async () => {
  const ended = await world.upgrade('v2', `after:${(await entryOf('restart')) - 1}`)
  expect(ended.signal).toBe('SIGKILL')
}
const isAsBefore = async () => {
  expect(world.head()).toBe('v1')
  await poll(async () => (await world.says()) === 'v1')
}

describe('a disk that is full', () => {
  test('before an intent: the step is not done, what was done is taken back, the journal stays whole', async () => {
    const at = await entryOf('restart')
    const ended = await world.upgrade('v2', `full:${at}`)
    expect(ended.report).toMatchObject({
      outcome: 'rolled-back',
      errorCode: 'state-unwritable',
      failedStep: 'restart',
    })
    expect(ended.code).toBe(1)
    expect(world.count('restart')).toBe(0)
    expect(world.ledger()).toEqual(['first', 'migrate', 'unmigrate'])
    await isAsBefore()
    expect(world.events()).toHaveLength(at - 1)
  })

  test('for a moment: what could not be written is written before the next entry', async () => {
    const at = await entryOf('restart')
    // The end of the step before is lost at first.
    const ended = await world.upgrade('v2', `full:${at - 1}:1`)
    expect(ended.report.outcome).toBe('succeeded')
    const numbers = readFileSync(world.journalFile, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).seq)
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  })

  const small = (size: string) => {
    try {
      mkdirSync(world.rig.state, { recursive: true })
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', world.rig.state], {
        stdio: 'pipe',
      })
      return true
    } catch (error) {
      console.warn(`NOT TESTED: a small disk cannot be mounted here (${(error as Error).message.trim()})`)
      return false
    }
  }
  const unmount = () => execFileSync('umount', ['-l', world.rig.state])
  const fill = (left = 0) => {
    execFileSync('sh', ['-c', `dd if=/dev/zero of='${world.rig.state}/fill' bs=1k 2>/dev/null || true`])
    if (left > 0) execFileSync('truncate', ['-s', `-${left}`, join(world.rig.state, 'fill')])
  }

  test('from the start, with room for some files and not for others: refused, nothing is touched', async () => {
    if (!small('256k')) return
    try {
      for (const left of [0, 4096, 8192, 12_288]) {
        rmSync(join(world.rig.state, 'runs'), { recursive: true, force: true })
        fill(left)
        const ended = await world.upgrade('v2')
        const { outcome } = ended.report
        expect([outcome, ended.report.errorCode], `${left} bytes`).toEqual(
          outcome === 'refused'
            ? ['refused', 'state-unwritable']
            : [expect.stringMatching(/^(failed-unchanged|rolled-back)$/), 'state-unwritable'],
        )
        expect(world.count('restart')).toBe(0)
        await isAsBefore()
      }
    } finally {
      unmount()
    }
  })

  test('in a state folder that is in memory: a run like any other, and its report again', async () => {
    if (!small('1m')) return
    try {
      const ended = await world.upgrade('v2')
      expect(ended.report.outcome).toBe('succeeded')
      execFileSync('mount', ['-o', 'remount,ro', world.rig.state])
      expect((await world.hostops(['report', 'r'])).stdout).toBe(ended.stdout)
      expect((await world.hostops(['resume', 'r'])).stdout).toBe(ended.stdout)
      const refused = await world.rig.run(['run', world.rig.path('upgrade.yaml'), '-i', 'ref=v1'])
      expect([refused.report.outcome, refused.report.errorCode, refused.code]).toEqual([
        'refused',
        'state-unwritable',
        3,
      ])
      const back = await world.hostops(['rollback', 'r'])
      expect([back.code, back.stdout]).toEqual([2, ''])
      expect(back.stderr).toContain('read-only')
      expect(await world.says()).toBe('v2')
    } finally {
      unmount()
    }
  })
})

describe('what a dead runner left', () => {
  test('a journal of a newer hostops is not guessed at', async () => {
    await dead()
    writeFileSync(world.journalFile, readFileSync(world.journalFile, 'utf8').replaceAll('{"v":1,', '{"v":2,'))
    for (const verb of ['resume', 'rollback']) {
      const ended = await world.hostops([verb, 'r'])
      expect([ended.code, ended.stdout]).toEqual([2, ''])
      expect(ended.stderr).toContain('newer hostops')
    }
    expect(world.ledger()).toEqual(['first', 'migrate'])
  })

  test.each(['missing', 'garbage', 'empty'])(
    'a run.json that is %s: the journal tells who it was',
    async how => {
      await dead()
      if (how === 'missing') rmSync(kept('run.json'))
      else writeFileSync(kept('run.json'), how === 'empty' ? '' : '{"runId":')
      const ended = await world.hostops(['resume', 'r'])
      expect(ended.report).toMatchObject({ outcome: 'succeeded', playbook: 'upgrade', target: 'local' })
      expect(world.count('restart')).toBe(1)
    },
  )

  test.each([
    ['plan.json', (text: string) => text.replace('migrate', 'destroy')],
    ['plan.json', () => '{"hostops":1'],
    ['playbook.yaml', (text: string) => text.replace('unmigrate', 'destroy')],
  ])('a %s that is another one now is not followed', async (name, change) => {
    await dead()
    writeFileSync(kept(name), change(readFileSync(kept(name), 'utf8')))
    const ended = await world.hostops(['rollback', 'r'])
    expect([ended.code, ended.stdout]).toEqual([2, ''])
    expect(ended.stderr).toContain(`the ${name} of run r is not the one that it began with`)
    expect(world.ledger()).toEqual(['first', 'migrate'])
  })

  test('the playbook was edited since: the run finishes on the text that it began with', async () => {
    await dead()
    const file = world.rig.path('upgrade.yaml')
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replaceAll('echo migrate', 'echo edited').replace('"restart"', '"edited"'),
    )
    expect((await world.hostops(['resume', 'r'])).report.outcome).toBe('succeeded')
    expect(world.ledger()).toEqual(['first', 'migrate', 'restart', 'restarted'])
  })

  test('died before its first entry: nothing was done, and that is what is told', async () => {
    expect((await world.upgrade('v2', 'torn:1')).signal).toBe('SIGKILL')
    const told = await world.hostops(['report', 'r'])
    expect(told).toMatchObject({ code: 1, report: { outcome: 'failed-unchanged', errorCode: 'not-begun' } })
    const resumed = await world.hostops(['resume', 'r'])
    expect(resumed).toMatchObject({
      code: 1,
      report: { outcome: 'failed-unchanged', errorCode: 'not-begun' },
    })
    expect((await world.hostops(['rollback', 'r'])).stdout).toBe(resumed.stdout)
  })

  test('a stop of the one who goes on either takes everything back or leaves it as open as it was', async () => {
    await dead()
    const started = world.startHostops(['resume', 'r', '--output', 'lines'])
    await poll(
      () => world.events().some(event => event.type === 'resumed') || started.child.exitCode !== null,
    )
    started.child.kill('SIGTERM')
    const { report } = await started.ended
    if (report.outcome === 'succeeded') return
    if (report.outcome === 'unknown') await world.hostops(['rollback', 'r'])
    else expect(report).toMatchObject({ outcome: 'interrupted', rollbackVerified: true })
    await isAsBefore()
    expect(world.count('unmigrate')).toBeGreaterThan(0)
  })
})

test.each([-3_600_000, 3_600_000])(
  'a clock that is set by %i ms in the middle ends no step and spoils no figure',
  async ms => {
    const ended = await world.upgrade('v2', '', `6:${ms}`)
    expect(ended.report.outcome).toBe('succeeded')
    expect(ended.report.durationMs).toBeLessThan(60_000)
    for (const step of ended.report.steps) expect(step.durationMs).toBeLessThan(60_000)
  },
)

describe('rivals', () => {
  const another = (...more: string[]) =>
    world.rig.run(['run', world.rig.path('upgrade.yaml'), '-i', 'ref=v2', '--run-id', 's', ...more])
  const lockFile = () => {
    const name = createHash('sha256').update(`checkout:${world.checkout}`).digest('hex').slice(0, 32)
    for (const dir of ['/run/lock/hostops', '/var/lock/hostops', '/tmp/hostops-locks']) {
      try {
        readlinkSync(join(dir, `${name}.lock`))
        return join(dir, `${name}.lock`)
      } catch {}
    }
    return null
  }

  test('a run whose runner is dead is named, and recovered first', async () => {
    await dead()
    const refused = await another()
    expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'interrupted-run' } })
    expect(refused.stderr).toContain('hostops resume r')
    // Also while its end is still open after somebody has asked.
    await world.hostops(['resume', 'r'], `after:${3}`)
    expect((await another('--run-id', 't')).report.errorCode).toBe('interrupted-run')
    expect((await world.hostops(['resume', 'r'])).report.outcome).toMatch(/succeeded|unknown/)
  })

  test('an end that is not known keeps its lock until somebody has settled it', async () => {
    await world.upgrade('v2', `after:${await entryOf('restart')}`)
    expect((await world.hostops(['resume', 'r'])).report).toMatchObject({
      outcome: 'unknown',
      errorCode: 'end-not-seen',
    })
    expect((await another()).report.errorCode).toBe('interrupted-run')
    expect((await world.hostops(['rollback', 'r'])).report.outcome).toBe('rolled-back')
    expect(lockFile()).toBeNull()
  })

  test('a lock whose run had ended is taken over', async () => {
    await dead()
    writeFileSync(kept('report.json'), JSON.stringify({ outcome: 'rolled-back' }))
    expect((await another()).report.outcome).toBe('succeeded')
  })

  test('a lock from another machine is believed, and so is one that nobody can read', async () => {
    await dead()
    const file = lockFile()!
    const holder = JSON.parse(readlinkSync(file))
    for (const content of [JSON.stringify({ ...holder, machine: 'elsewhere' }), 'something else']) {
      rmSync(file)
      symlinkSync(content, file)
      const refused = await another('--run-id', content.slice(0, 4).replace(/\W/g, 'x'))
      expect(refused).toMatchObject({ code: 3, report: { outcome: 'refused', errorCode: 'lock-held' } })
      // Not even its own run goes on past somebody else, and it stays as open as it was.
      if (content === 'something else') {
        expect((await world.hostops(['resume', 'r'])).report).toMatchObject({
          outcome: 'unknown',
          errorCode: 'lock-held',
        })
      }
    }
    rmSync(file)
    expect((await world.hostops(['resume', 'r'])).report.outcome).toBe('succeeded')
  })

  test('forty runs race for one checkout: one at a time, and those who wait get their turn', async () => {
    const steps = [
      { id: 'own', uses: 'git.checkout', with: { repo: world.checkout, ref: 'v1' } },
      {
        id: 'in',
        script: `mkdir '${world.rig.path('inside')}' || echo two >> '${world.rig.path('ledger')}'; sleep 0.02; rmdir '${world.rig.path('inside')}'`,
        undo: ['true'],
      },
    ]
    const race = world.rig.playbook('race', steps)
    const outcomes: string[] = []
    for (let round = 0; round < 10; round += 1) {
      const wait = round % 2 === 0 ? [] : ['--wait-lock', '60s']
      const ended = await Promise.all([1, 2, 3, 4].map(() => world.rig.run(['run', race, '-q', ...wait])))
      const round4 = ended.map(({ report }) => report.outcome)
      expect(round4).toContain('succeeded')
      if (wait.length > 0) expect(round4).toEqual(Array(4).fill('succeeded'))
      outcomes.push(...round4)
    }
    expect(new Set(outcomes).size, String(outcomes)).toBeLessThanOrEqual(2)
    expect(world.count('two')).toBe(0)
  })

  test('many resume one run at once: one of them does it', async () => {
    await dead()
    const ended = await Promise.all([1, 2, 3, 4, 5, 6].map(() => world.hostops(['resume', 'r'])))
    const line = (await world.hostops(['report', 'r'])).stdout
    for (const { code, stdout, stderr } of ended) {
      if (code === 0) expect(stdout).toBe(line)
      else
        expect([code, stdout, stderr], stderr).toEqual([2, '', expect.stringContaining('still has a runner')])
    }
    expect(ended.some(({ code }) => code === 0)).toBe(true)
    expect([world.count('migrate'), world.count('restart')]).toEqual([1, 1])
  })

  test('a run whose runner lives is not taken from it', async () => {
    const started = world.start('v3')
    await started.until(/health: started/)
    for (const verb of ['resume', 'rollback'])
      expect(await world.hostops([verb, 'r'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('still has a runner'),
      })
    expect((await started.ended).report.outcome).toBe('rolled-back')
  })
})

describe('signals', () => {
  const slow = () =>
    world.rig.playbook(
      'slow',
      [
        { id: 'read', run: ['sleep', '${{ inputs.read }}'], effect: 'read' },
        { id: 'own', uses: 'git.checkout', with: { repo: world.checkout, ref: 'v2' } },
        {
          id: 'write',
          script: `echo begun >> '${world.rig.path('ledger')}'; sleep 600`,
          undo: { script: 'echo undoing; sleep "$S"' },
          env: { S: '${{ inputs.back }}' },
        },
      ],
      { inputs: { read: { type: 'string', default: '0' }, back: { type: 'string', default: '0' } } },
    )
  const start = (...more: string[]) =>
    world.rig.start(['run', slow(), '--run-id', 'r', '--output', 'lines', ...more])

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s in a read: nothing was changed', async (signal, code) => {
    const started = start('-i', 'read=600')
    await started.until(/read: started/)
    started.child.kill(signal)
    const ended = await started.ended
    expect(ended).toMatchObject({
      code,
      report: { outcome: 'interrupted', changed: false, rollbackPerformed: false },
    })
    await isAsBefore()
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 143],
  ] as const)('%s in a write: all is taken back', async (signal, code) => {
    const started = start()
    await poll(() => world.count('begun') === 1)
    started.child.kill(signal)
    const ended = await started.ended
    expect(ended).toMatchObject({
      code,
      report: { outcome: 'interrupted', changed: false, rollbackVerified: true },
    })
    await isAsBefore()
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s again in the rollback: what remains is told, and can be done later',
    async signal => {
      const started = start('-i', 'back=600')
      await poll(() => world.count('begun') === 1)
      started.child.kill(signal)
      await started.until(/undoing/)
      started.child.kill(signal)
      const ended = await started.ended
      expect(ended).toMatchObject({
        code: 5,
        report: { outcome: 'rollback-failed', rollbackVerified: false },
      })
      expect(ended.report.rollbackError).toContain('restore own was not done')
      expect(world.head()).toBe('v2')
    },
  )

  test('before anything was begun', async () => {
    const started = start()
    started.child.kill('SIGTERM')
    const ended = await started.ended
    // Earlier than the first line of hostops there is nobody to answer.
    if (ended.stdout !== '') expect(ended.report.changed).toBe(false)
    await isAsBefore()
  })
})
