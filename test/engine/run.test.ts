import { afterAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { Event } from '../../src/engine/events.ts'
import type { LockInput } from '../../src/engine/holder.ts'
import { progressAfter } from '../../src/engine/progress.ts'
import { Failed, type Failure } from '../../src/failure.ts'
import type { CommandRequest, StepKind } from '../../src/steps/contract/step.ts'
import { localTransport } from '../../src/transport/local.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { noTransport, play, type Scenario, setKind, thingKind } from '../rig/engine.ts'

const broken: Failure = { code: 'command-failed', argv: ['x'], exitCode: 1, signal: null, tail: '' }
const dirty: Failure = { code: 'dirty-tree', repo: '/r', entries: ['M a'], total: 1 }

describe('a run that goes well', () => {
  test('changes the host and says so', async () => {
    const { end, host } = await play({
      steps: [{ id: 'a', with: { name: 'x', to: 'new' } }],
      host: { x: 'old' },
    })
    expect(end).toEqual({ outcome: 'succeeded', failedStep: null, failure: null })
    expect(host).toEqual({ x: 'new' })
  })

  test('is "unchanged" where everything was as wanted', async () => {
    const { end } = await play({ steps: [{ id: 'a', with: { name: 'x', to: 'new' } }], host: { x: 'new' } })
    expect(end.outcome).toBe('unchanged')
  })

  test('records the state of every step before the first change, and probes before that', async () => {
    const { calls } = await play({
      steps: [
        { id: 'probe', with: { name: 'p', to: 'x', effect: 'read' } },
        { id: 'a', with: { name: 'x', to: '1' } },
        { id: 'b', with: { name: 'y', to: '2' } },
      ],
    })
    expect(calls).toEqual(['run p', 'snapshot p', 'snapshot x', 'snapshot y', 'run x', 'run y'])
  })

  test('hands outputs on, with their type, and skips what a condition excludes', async () => {
    const { host, events } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: 'one' } },
        { id: 'b', with: { name: 'y', to: { $expr: 'steps.a.value' } } },
        { id: 'c', when: { $expr: 'steps.a.value == "two"' }, with: { name: 'z', to: 'never' } },
      ],
    })
    expect(host).toEqual({ x: 'one', y: 'one' })
    expect(events.filter(e => e.type === 'step-finished').map(e => e.status)).toEqual([
      'succeeded',
      'succeeded',
      'skipped',
    ])
  })

  test('asks nothing of a step that is certainly skipped, which may lack the input that its condition is about', async () => {
    const { end, calls } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: 'one' } },
        { id: 'b', when: { $expr: 'false' }, with: { name: 'y', to: null } },
      ],
    })
    expect(end.outcome).toBe('succeeded')
    expect(calls).toEqual(['snapshot x', 'run x'])
  })

  test('tries again as often as the playbook says', async () => {
    const { end, events } = await play({
      steps: [
        {
          id: 'a',
          retry: { attempts: 5, delayMs: 1, backoff: 3, maxDelayMs: 8 },
          with: { name: 'x', to: '1', fail: broken, failTimes: 4 },
        },
      ],
    })
    expect(end.outcome).toBe('succeeded')
    expect(events.filter(e => e.type === 'step-retrying').map(e => e.delayMs)).toEqual([1, 3, 8, 8])
  })

  test.each<Failure>([
    { code: 'link-lost', target: 't', command: 'c', reason: 'r' },
    { code: 'end-not-seen', runId: 'r', step: 'a' },
  ])('never where nobody saw how it ended, nor goes past it: $code', async fail => {
    const retry = { attempts: 3, delayMs: 1, backoff: 1, maxDelayMs: 10 }
    const { end, calls } = await play({
      steps: [
        { id: 'a', retry, continueOnError: true, with: { name: 'x', to: '1', fail } },
        { id: 'b', with: { name: 'y', to: '2' } },
      ],
    })
    expect(end).toMatchObject({ outcome: 'unknown', failedStep: 'a', failure: fail })
    // Nor is anything kept or taken back, beside a command that may still run.
    expect(calls).toEqual(['snapshot x', 'snapshot y', 'run x'])
  })

  test('goes on past a step that may fail, takes nothing back for it, and is no success', async () => {
    const { end, host, calls } = await play({
      steps: [
        { id: 'a', continueOnError: true, with: { name: 'x', to: '1', fail: broken } },
        { id: 'b', with: { name: 'y', to: '2' } },
        { id: 'c', continueOnError: true, with: { name: 'z', to: '3', fail: { ...broken, repo: 'z' } } },
      ],
    })
    expect(end).toEqual({ outcome: 'failed-changed', failedStep: 'a', failure: broken })
    expect(host['y']).toBe('2')
    expect(calls.filter(call => /^(evidence|restore|reactivate|verify)/.test(call))).toEqual([])
  })

  test('of which a look failed that was allowed to, and nothing changed, says both', async () => {
    const { end } = await play({
      steps: [
        { id: 'a', continueOnError: true, with: { name: 'x', to: '1', effect: 'read', fail: broken } },
        { id: 'b', with: { name: 'y', to: '2' } },
      ],
      host: { y: '2' },
    })
    expect(end).toEqual({ outcome: 'failed-unchanged', failedStep: 'a', failure: broken })
  })
})

describe('a run that fails', () => {
  test('restores in reverse, reactivates forward, verifies everything, the failed step included', async () => {
    const { end, host, calls } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: '1' } },
        { id: 'b', with: { name: 'y', to: '2' } },
        { id: 'c', with: { name: 'z', to: '3', fail: broken } },
      ],
      host: { x: 'old' },
    })
    expect(end).toEqual({ outcome: 'rolled-back', failedStep: 'c', failure: broken })
    expect(host).toEqual({ x: 'old', y: null, z: null })
    expect(calls.slice(calls.indexOf('run z') + 1)).toEqual([
      ...['evidence x', 'evidence y', 'evidence z'],
      ...['restore z', 'restore y', 'restore x'],
      ...['reactivate x', 'reactivate y', 'reactivate z'],
      ...['verify x', 'verify y', 'verify z'],
    ])
  })

  test('before any change is "failed-unchanged", and rolls nothing back', async () => {
    const { end, calls } = await play({
      steps: [
        { id: 'probe', with: { name: 'p', to: 'x', effect: 'read', fail: broken } },
        { id: 'a', with: { name: 'x', to: '1' } },
      ],
    })
    expect(end).toMatchObject({ outcome: 'failed-unchanged', failedStep: 'probe' })
    expect(calls).toEqual(['run p'])
  })

  test('is refused over a dirty tree that is found before any change', async () => {
    const { end } = await play({
      steps: [{ id: 'p', with: { name: 'p', to: 'x', effect: 'read', fail: dirty } }],
    })
    expect(end.outcome).toBe('refused')
  })

  test('goes on with the rollback past a part that fails, and does not call the host restored', async () => {
    const { end, host, events } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: '1' } },
        { id: 'b', with: { name: 'y', to: '2', restoreFails: true } },
        { id: 'c', with: { name: 'z', to: '3', fail: broken } },
      ],
      host: { x: 'old', y: 'old', z: 'old' },
    })
    expect(end.outcome).toBe('rollback-failed')
    expect(host).toEqual({ x: 'old', y: '2', z: 'old' })
    const failed = events.filter(e => e.type === 'part-finished').filter(e => e.failure !== null)
    expect(failed.map(e => `${e.movement} ${e.id}`)).toEqual(['restore b', 'verify b'])
    // Half of it may have happened.
    expect(failed.map(e => e.changed)).toEqual([true, false])
  })

  test('does not go back past a point of no return, and says which', async () => {
    const { end, host, events, calls } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: '1' } },
        { id: 'migrate', with: { name: 'db', to: '2', effect: 'irreversible' } },
        { id: 'c', with: { name: 'z', to: '3', fail: broken } },
      ],
      host: { x: 'old', db: 'old', z: 'old' },
    })
    expect(end.outcome).toBe('rollback-failed')
    expect(host).toEqual({ x: '1', db: '2', z: 'old' })
    // What stays as it is would be found to differ, which is no news.
    expect(calls.filter(call => call.startsWith('verify'))).toEqual(['verify z'])
    expect(events.find(e => e.type === 'rollback-started')).toMatchObject({
      steps: ['c'],
      stopsAt: 'migrate',
    })
    expect(events.find(e => e.type === 'rollback-finished')).toMatchObject({
      verified: false,
      remains: [{ code: 'irreversible', step: 'migrate' }],
    })
  })

  test('stays where it is with onFailure: stop, and says that the host has changed', async () => {
    const { end, host } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: '1' } },
        { id: 'b', with: { name: 'y', to: '2', fail: broken } },
      ],
      onFailure: 'stop',
    })
    expect(end.outcome).toBe('failed-changed')
    expect(host).toMatchObject({ x: '1', y: '2' })
  })

  test('runs out of its own time: the step ends, the rollback has time of its own', async () => {
    const { end, host } = await play({
      steps: [{ id: 'a', with: { name: 'x', to: '1', waitMs: 60_000 } }],
      timeoutMs: 50,
      host: { x: 'old' },
    })
    expect(end).toMatchObject({ outcome: 'rolled-back', failure: { code: 'run-timeout' } })
    expect(host).toEqual({ x: 'old' })
  })

  test('has a rollback that ends when its time is up, and lists what was not done', async () => {
    const { end, host, events } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: '1' } },
        { id: 'b', with: { name: 'y', to: '2', restoreWaitMs: 60_000 } },
        { id: 'c', with: { name: 'z', to: '3', effect: 'read', fail: broken } },
      ],
      rollbackTimeoutMs: 50,
      host: { x: 'old', y: 'old' },
    })
    expect(end).toMatchObject({ outcome: 'rollback-failed', failedStep: 'c', failure: broken })
    expect(host).toMatchObject({ x: '1', y: '2' })
    const stuck = events.find(e => e.type === 'part-finished' && e.id === 'b')
    expect(stuck).toMatchObject({ failure: { code: 'run-timeout', of: 'rollback', timeoutMs: 50 } })
    const finished = events.find(e => e.type === 'rollback-finished')
    expect(finished?.remains).toContainEqual({ code: 'not-done', movement: 'restore', step: 'a' })
  })

  test.each(['run-timeout', 'interrupted'])('of %s, although the step itself may fail', async code => {
    const { end, calls } = await play({
      steps: [
        { id: 'a', continueOnError: true, with: { name: 'x', to: '1', waitMs: 60_000 } },
        { id: 'b', with: { name: 'y', to: '2' } },
      ],
      ...(code === 'run-timeout' ? { timeoutMs: 50 } : {}),
      host: { x: 'old' },
      onEvent(event, running) {
        if (code === 'interrupted' && event.type === 'step-started')
          setTimeout(() => running.control.interrupt('SIGTERM'), 5)
      },
    })
    expect(end).toMatchObject({ failedStep: 'a', failure: { code } })
    expect(calls).not.toContain('run y')
    expect(calls).toContain('restore x')
  })

  test('a step runs out of its own time', async () => {
    const { end } = await play({
      steps: [{ id: 'a', timeoutMs: 50, with: { name: 'x', to: '1', waitMs: 60_000 } }],
    })
    expect(end).toMatchObject({ outcome: 'rolled-back', failure: { code: 'step-timeout', step: 'a' } })
  })
})

describe('a way back', () => {
  const steps = [
    { id: 'look', with: { name: 'p', to: '0', effect: 'read' } },
    { id: 'a', with: { name: 'x', to: '1', thing: 'one', restoreWaitMs: 50 } },
    { id: 'b', with: { name: 'y', to: '2', thing: 'two', restoreWaitMs: 50 } },
    {
      id: 'c',
      with: { name: 'z', to: '3', thing: 'one', restoreWaitMs: 50, fail: broken },
    },
  ]
  const words = (events: readonly Event[]) =>
    events.flatMap(event => {
      if (event.type === 'part-started') return [`${event.movement} ${event.id}`]
      if (event.type === 'part-finished') return [`${event.movement} ${event.id} done`]
      return event.type === 'evidence' ? [`evidence ${event.id}`] : []
    })

  test('puts different things back side by side and one thing in reverse, beside the evidence', async () => {
    let restored = () => {}
    const allBack = new Promise<void>(resolve => {
      restored = resolve
    })
    const evidence: NonNullable<StepKind['look']>['evidence'] = async ctx => {
      await Promise.race([allBack, ctx.sleep(5000)])
      return []
    }
    const kind: Scenario['kind'] = (host, calls) => ({ ...thingKind(host, calls), look: { evidence } })
    const onEvent = (event: Event) => {
      if (event.type === 'part-finished' && event.id === 'a') restored()
    }
    const { end, events } = await play({ kind, steps, onEvent, host: { x: 'old', y: 'old', z: 'old' } })
    expect(end.outcome).toBe('rolled-back')
    const said = words(events)
    expect(said.slice(0, 2)).toEqual(['restore c', 'restore b'])
    expect(said.indexOf('restore a')).toBeGreaterThan(said.indexOf('restore c done'))
    // Complete before anything is made to run again, and not before anything is put back.
    expect(said.indexOf('restore a done')).toBeLessThan(said.indexOf('evidence look'))
    expect(said.indexOf('evidence c')).toBeLessThan(said.indexOf('reactivate a'))
  })

  test('reads what it needs beside the evidence, and waits for that before it touches what runs', async () => {
    let begun = () => {}
    const hasBegun = new Promise<void>(resolve => {
      begun = resolve
    })
    const said: string[] = []
    const evidence: NonNullable<StepKind['look']>['evidence'] = async ctx => {
      await Promise.race([hasBegun, ctx.sleep(5000)])
      said.push('evidence')
      return []
    }
    const kind: Scenario['kind'] = (host, calls) => {
      const thing = thingKind(host, calls)
      const reactivate: NonNullable<StepKind['undo']>['reactivate'] = async ctx => {
        said.push('reads')
        begun()
        await ctx.evidenceKept
        said.push('touches')
        return { changed: true }
      }
      return { ...thing, look: { evidence }, undo: { ...thing.undo, readsFirst: true, reactivate } }
    }
    const only = [{ id: 'a', with: { name: 'x', to: '1', thing: 'one', fail: broken } }]
    const { end } = await play({ kind, steps: only, host: { x: 'old' } })
    expect(end.outcome).toBe('rolled-back')
    expect(said).toEqual(['reads', 'evidence', 'touches'])
  })

  test('puts back what may be anything once the evidence is complete, and beside nothing else', async () => {
    const { events } = await play({ steps, host: {} })
    const said = words(events).filter(word => !/verify|reactivate/.test(word))
    expect(said).toEqual([
      ...['evidence look', 'evidence a', 'evidence b', 'evidence c'],
      ...['restore c', 'restore c done', 'restore b', 'restore b done', 'restore a', 'restore a done'],
    ])
  })

  test('waits for nothing that was not touched', async () => {
    const standing = (kind: StepKind): StepKind => ({ ...kind, plan: { ...kind.plan, stands: true } })
    const waiting: typeof setKind = (...given) => standing(thingKind(...given))
    const verified = async (effect: string, kind: typeof setKind) => {
      const failing = { ...steps[3]!, with: { ...steps[3]!.with, effect } }
      const { calls } = await play({ kind, steps: [...steps.slice(0, 2), failing, steps[2]!] })
      return calls.filter(call => call.startsWith('verify'))
    }
    // What was to be done next was recorded.
    const all = ['verify p', 'verify x', 'verify z', 'verify y']
    expect(await verified('write', waiting)).toEqual(['verify x', 'verify z'])
    expect(await verified('disrupt', waiting)).toEqual(all)
    expect(await verified('write', thingKind)).toEqual(all)
    const unknown: typeof setKind = (...given) => standing(setKind(...given))
    expect(await verified('write', unknown)).toEqual(all)
  })
})

describe('what is recorded before the first change', () => {
  type Asked = { argv: readonly string[]; env?: unknown }
  const asking = (asked: Asked[]): Transport => ({
    ...noTransport,
    async exec(command) {
      asked.push({ argv: command.argv, env: command.env })
      await new Promise(resolve => setTimeout(resolve, 20))
      const none = Buffer.alloc(0)
      const kept = { stdout: none, stderr: none, stdoutTruncated: false, stderrTruncated: false }
      return { kind: 'exited', code: 0, signal: null, ...kept, durationMs: 1 }
    },
  })
  const kind = (request: CommandRequest) => (): StepKind => ({
    uses: 'asks',
    summary: 'asks before the run and in it',
    schema: () => z.strictObject({}),
    outputs: {},
    timeoutMs: 1000,
    plan: {
      effect: () => 'write',
      commands: () => [],
    },
    act: {
      snapshot: async ctx => (await ctx.exec(request)).code,
      run: async ctx => {
        await ctx.exec(request)
        return { changed: true }
      },
    },
  })
  const count = async (request: CommandRequest, env = {}) => {
    const asked: Asked[] = []
    const steps = ['a', 'b', 'c'].map(id => ({ id, with: {}, env: id === 'c' ? env : {} }))
    const { end } = await play({ transport: asking(asked), kind: kind(request), steps })
    expect(end.outcome).toBe('succeeded')
    return asked.length
  }
  const look = { argv: ['look'], repeatable: true, quiet: true }

  test('is asked once for all steps, and anew in each', async () => {
    expect(await count(look)).toBe(1 + 3)
    expect(await count(look, { HOME: '/elsewhere' })).toBe(2 + 3)
    // Not what somebody is to see, nor what must not be done twice.
    expect(await count({ argv: ['look'], repeatable: true })).toBe(3 + 3)
    expect(await count({ argv: ['write'], quiet: true })).toBe(3 + 3)
  })
})

describe('an interrupt', () => {
  test('once: ends the step, rolls back, is reported as what it was', async () => {
    const { end, host } = await play({
      steps: [{ id: 'a', with: { name: 'x', to: '1', waitMs: 60_000 } }],
      host: { x: 'old' },
      onEvent(event, running) {
        if (event.type === 'step-started') setTimeout(() => running.control.interrupt('SIGTERM'), 5)
      },
    })
    expect(end).toEqual({
      outcome: 'interrupted',
      failedStep: 'a',
      failure: { code: 'interrupted', signal: 'SIGTERM' },
    })
    expect(host).toEqual({ x: 'old' })
  })

  test('twice: stops the rollback and lists what was not done', async () => {
    const { end, events } = await play({
      steps: [
        { id: 'a', with: { name: 'x', to: '1' } },
        { id: 'b', with: { name: 'y', to: '2', waitMs: 60_000 } },
      ],
      host: { x: 'old', y: 'old' },
      onEvent(event, running) {
        if (event.type === 'step-started' && event.id === 'b')
          setTimeout(() => running.control.interrupt('SIGINT'), 5)
        if (event.type === 'part-started' && event.id === 'b') running.control.interrupt('SIGINT')
      },
    })
    expect(end.outcome).toBe('rollback-failed')
    const finished = events.find(e => e.type === 'rollback-finished')
    expect(finished?.remains).toContainEqual({ code: 'not-done', movement: 'restore', step: 'a' })
  })
})

test('a secret never comes out of the engine', async () => {
  const { events } = await play({
    inputs: { token: { type: 'secret', optional: false } },
    values: { token: 'correct-horse-battery' },
    steps: [
      {
        id: 'a',
        with: { name: 'x', to: { $expr: 'inputs.token' }, evidence: 'it was correct-horse-battery' },
      },
    ],
  })
  expect(JSON.stringify(events)).not.toContain('correct-horse')
  expect(events.find(e => e.type === 'step-finished')?.outputs).toEqual({ value: '***' })
})

describe('a step whose target is gone before its first command', () => {
  const gone: StepKind = {
    uses: 'gone',
    summary: 'runs one command',
    schema: () => z.strictObject({}),
    outputs: {},
    timeoutMs: 1000,
    plan: {
      effect: () => 'write',
      commands: () => [],
    },
    act: {
      run: async ctx => {
        await ctx.exec({ argv: ['true'] })
        return { changed: true }
      },
    },
  }
  const transport: Transport = {
    name: 'away',
    startsOnce: true,
    exec: async () => ({ kind: 'unreachable', reason: 'connection refused' }),
    close: async () => {},
  }

  test('has changed nothing, and the run says so', async () => {
    const { end, events } = await play({ transport, kind: () => gone, steps: [{ id: 'a', with: {} }] })
    expect(end).toMatchObject({ outcome: 'unreachable', failedStep: 'a' })
    expect(events.map(event => event.type)).not.toContain('rollback-started')
  })
})

describe('where its beginning cannot be put on the disk', () => {
  const failure: Failure = { code: 'state-unwritable', path: '/state', problem: 'EIO: i/o error, fsync' }
  const record = {
    id: () => 'j',
    isWhole: () => true,
    anchor: () => Promise.reject(new Failed(failure)),
  }
  const a = { id: 'a', with: { name: 'x', to: 'new' } }
  // Whether an earlier runner has left a word there is asked.
  const transport = localTransport()
  afterAll(() => transport.close())

  test('nothing is begun, and no lock asked for', async () => {
    const holder = { runId: 'r', who: 'a', pid: 1, since: 's', machine: 'm', boot: 'b', processStart: '1' }
    const lock: LockInput = { holder, judge: () => 'alive', waitMs: 0 }
    const locked = { ...a, with: { ...a.with, lock: 'x' } }
    const { end, calls } = await play({ steps: [locked], record, lock })
    expect(end).toEqual({ outcome: 'failed-unchanged', failedStep: null, failure })
    expect(calls).toEqual([])
  })

  test('a way back is gone all the same, also by who goes on with one', async () => {
    const done = await play({ steps: [a], host: { x: 'old' } })
    const back = { steps: [a], host: done.host, record, transport, recovered: progressAfter(done.events) }
    const first = await play({ ...back, takeBack: true })
    expect([first.end.outcome, first.host['x']]).toEqual(['rolled-back', 'old'])
    const rest = progressAfter([
      ...done.events,
      ...first.events.filter(({ type }) => type === 'rollback-started'),
    ])
    expect((await play({ ...back, recovered: rest })).host['x']).toBe('old')
  })

  test('what an earlier runner has begun stays as open as it was', async () => {
    const { events } = await play({ steps: [a] })
    const begun = progressAfter(events.filter(({ type }) => type === 'step-started'))
    const { end, calls } = await play({ steps: [a], record, recovered: begun, assume: 'not-done' })
    expect(end).toMatchObject({ outcome: 'unknown', failure, idle: true })
    expect(calls).toEqual([])
  })
})
