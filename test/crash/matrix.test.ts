/**
 * The real runner is killed after each entry of its journal, in the middle of one, and at random moments; then
 * another one finishes the run or takes it back. HOSTOPS_CRASH_ALL=1 runs every cell instead of a sample.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { type CrashWorld, crashBase, crashWorld, type Version } from '../rig/crash.ts'
import { type DaemonRig, startDaemonRig } from '../rig/daemon.ts'
import { type Ended, poll } from '../rig/hostops.ts'
import { seeded } from '../rig/seeded.ts'

const ALL = process.env.HOSTOPS_CRASH_ALL === '1'
const LIMIT_MS = ALL ? 3_600_000 : 300_000
const random = seeded(5)

type Verb = 'resume' | 'rollback'
type Target = 'local' | 'hostlink'
type Cell = { version: Version; verb: Verb; die: string }

let base: ReturnType<typeof crashBase>
let daemon: DaemonRig
beforeAll(async () => {
  base = crashBase()
  daemon = await startDaemonRig()
})
afterAll(async () => {
  base.remove()
  await daemon.stop()
})

const worldOn = (target: Target) =>
  crashWorld(base.app, { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }, target)

describe('a runner that is killed', () => {
  test(
    'after each entry, a good version: resume finishes it',
    () => everyEntry('local', 'v2', 'resume', n => [`after:${n}`]),
    LIMIT_MS,
  )
  test(
    'after an entry, or in the middle of one, whatever the version: it is taken back',
    () => sampled('local', ['v2', 'v3', 'v4'], ['rollback'], 8),
    LIMIT_MS,
  )
  test(
    'after an entry, or in the middle of one, of a version that is not good: resume takes it back',
    () => sampled('local', ['v3', 'v4'], ['resume'], 6),
    LIMIT_MS,
  )
  test(
    'through hostlink: the same',
    () => sampled('hostlink', ['v2', 'v3', 'v4'], ['resume', 'rollback'], 8),
    LIMIT_MS,
  )
  test('at a random moment', () => atRandomMoments(ALL ? 40 : 6), LIMIT_MS)
})

/** How many entries a whole run writes: it is not the same number every time, but nearly. */
async function entriesOf(target: Target, version: Version): Promise<number> {
  const world = await worldOn(target)
  try {
    await world.upgrade(version)
    return world.events().length
  } finally {
    await world.remove()
  }
}

async function everyEntry(target: Target, version: Version, verb: Verb, dies: (n: number) => string[]) {
  const last = await entriesOf(target, version)
  expect(last).toBeGreaterThan(10)
  await cells(
    target,
    upTo(last).flatMap(n => dies(n).map(die => ({ version, verb, die }))),
  )
}

async function sampled(target: Target, versions: Version[], verbs: Verb[], size: number) {
  const all: Cell[] = []
  for (const version of versions) {
    const last = await entriesOf(target, version)
    for (const verb of verbs)
      for (const n of upTo(last))
        for (const how of ['after', 'torn']) all.push({ version, verb, die: `${how}:${n}` })
  }
  await cells(
    target,
    ALL
      ? all
      : all
          .map(cell => ({ cell, at: random() }))
          .sort((a, b) => a.at - b.at)
          .slice(0, size)
          .map(({ cell }) => cell),
  )
}

const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1)

/** Two at a time: most of it is waiting for small processes. */
async function cells(target: Target, all: Cell[]) {
  const left = [...all]
  const worker = async () => {
    for (let cell = left.shift(); cell; cell = left.shift()) await play(target, cell)
  }
  await Promise.all([worker(), worker()])
}

async function play(target: Target, cell: Cell) {
  const name = `${target} ${cell.version} ${cell.verb} ${cell.die}`
  const world = await worldOn(target)
  try {
    const ended = await world.upgrade(cell.version, cell.die)
    // Fewer entries than usual: it ended before it could be killed.
    if (ended.signal !== 'SIGKILL') return
    await recoverAndCheck(world, cell, name)
  } finally {
    await world.remove()
  }
}

async function atRandomMoments(times: number) {
  const moments = Array.from({ length: times }, () => 80 + random() * 1200)
  const versions: Version[] = ['v2', 'v3', 'v4']
  const left = moments.map((ms, at) => ({
    ms,
    version: versions[at % 3]!,
    verb: (at % 2 ? 'resume' : 'rollback') as Verb,
  }))
  const worker = async () => {
    for (let cell = left.shift(); cell; cell = left.shift()) {
      const target = left.length % 2 ? 'local' : 'hostlink'
      const world = await worldOn(target)
      try {
        const started = world.start(cell.version)
        await new Promise(resolve => setTimeout(resolve, cell!.ms))
        started.child.kill('SIGKILL')
        const ended = await started.ended
        if (ended.signal !== 'SIGKILL' || ended.stdout !== '') continue
        // It may not even have made its folder.
        if (!world.rig.runIds().includes('r')) continue
        await recoverAndCheck(
          world,
          { ...cell, die: '' },
          `${target} ${cell.version} ${cell.verb} after ${cell.ms} ms`,
        )
      } finally {
        await world.remove()
      }
    }
  }
  await Promise.all([worker(), worker()])
}

async function recoverAndCheck(world: CrashWorld, { version, verb }: Cell, name: string) {
  await world.quiet()
  const inFlight = commandInFlight(world.events())
  let ended = await world.hostops([verb, 'r'])
  if (verb === 'resume' && ended.report.outcome === 'unknown') {
    // What nobody saw the end of is not repeated: somebody looks, and says what there is.
    expect(ended, name).toMatchObject({
      code: 6,
      report: { success: null, errorCode: 'end-not-seen', failedStep: inFlight },
    })
    ended = await world.hostops(['resume', 'r', '--assume', world.count(inFlight!) > 0 ? 'done' : 'not-done'])
  }
  const described = `${name}\n${ended.stderr}\n${world.ledger()}`
  expectEnd(ended, version, verb, described)
  const isNew = ended.report.outcome === 'succeeded'
  expect(world.head(), described).toBe(isNew ? 'v2' : 'v1')
  await poll(async () => (await world.says()) !== null)
  expect(await world.says(), described).toBe(isNew ? 'v2' : 'v1')
  expect(world.count('migrate'), described).toBeLessThanOrEqual(1)
  expect(world.count('restart'), described).toBeLessThanOrEqual(1)
  if (isNew) expect([world.count('migrate'), world.count('restart')], described).toEqual([1, 1])
  else if (world.count('migrate') === 1) expect(world.count('unmigrate'), described).toBeGreaterThanOrEqual(1)
  for (const again of [verb, 'report'] as const) {
    const second = await world.hostops([again, 'r'])
    expect([second.stdout, second.code], `${again}: ${described}`).toEqual([ended.stdout, ended.code])
  }
}

function expectEnd(ended: Ended, version: Version, verb: Verb, described: string) {
  const { outcome } = ended.report
  if (verb === 'resume' && version === 'v2' && outcome !== 'failed-unchanged') {
    expect([outcome, ended.code], described).toEqual(['succeeded', 0])
    return
  }
  expect(outcome, described).toMatch(/^(rolled-back|failed-unchanged)$/)
  expect(ended.code, described).toBe(1)
  // Only a run that had not begun may be "finished" by saying so.
  if (verb === 'resume' && version === 'v2') expect(ended.report.errorCode, described).toBe('not-begun')
}

/** The command of the playbook's own that was begun and not seen to end. */
function commandInFlight(events: Event[]): string | null {
  const open = new Set<string>()
  for (const event of events) {
    if (event.type === 'step-started') open.add(event.id)
    if (event.type === 'step-finished') open.delete(event.id)
  }
  return [...open].find(id => id === 'migrate' || id === 'restart') ?? null
}

test('in the middle of a command through hostlink: the daemon tells how it ended, and it is not run again', async () => {
  const world = await worldOn('hostlink')
  try {
    const ledger = world.rig.path('ledger')
    const step = {
      id: 'long',
      script: `echo migrate >> '${ledger}'; echo on; sleep 1; echo restarted >> '${ledger}'`,
      undo: ['true'],
    }
    const playbook = world.rig.playbook('long', [step, { id: 'next', run: ['true'] }])
    const env = { HOSTLINK_SOCKET: daemon.socket, HOSTLINK_TOKEN: daemon.token }
    const started = world.rig.start(['run', playbook, '--target', 'hostlink', '--run-id', 'r'], { env })
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

test.each([
  [30, 'nobody knows, and a person settles it', 'elsewhere'],
  [30, 'forgotten with it', 'same'],
  [600, 'it goes on, and tells how it ended once the daemon is back', 'same'],
])('the daemon is killed in the middle of a command of at most %i s: %s', async (limit, _, spool) => {
  const world = await worldOn('hostlink')
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
