import { describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { progressAfter } from '../../src/engine/progress.ts'
import type { Failure } from '../../src/failure.ts'
import type { CommandHandle } from '../../src/transport/transport.ts'
import { noTransport, type Played, play, type Scenario, setKind, thingKind } from '../rig/engine.ts'

const broken: Failure = { code: 'command-failed', argv: ['x'], exitCode: 1, signal: null, tail: '' }

const good: Scenario = {
  host: { x: 'old', y: 'old', z: 'old' },
  steps: [
    { id: 'probe', with: { name: 'p', to: '0', effect: 'read' } },
    { id: 'a', with: { name: 'x', to: 'new' } },
    { id: 'b', with: { name: 'y', to: { $expr: 'steps.a.value' } } },
    { id: 'c', with: { name: 'z', to: 'new' } },
  ],
}
const bad: Scenario = {
  ...good,
  steps: [...good.steps, { id: 'd', with: { name: 'w', to: 'new', fail: broken } }],
}

/** Its parts overlap: the first and the last restore are of one thing. */
const overlapping: Scenario = {
  kind: thingKind,
  host: { x: 'old', y: 'old', z: 'old' },
  steps: [
    { id: 'a', with: { name: 'x', to: 'new', thing: 'one', restoreWaitMs: 5 } },
    { id: 'b', with: { name: 'y', to: 'new', thing: 'two', restoreWaitMs: 8 } },
    { id: 'c', with: { name: 'z', to: 'new', thing: 'one', evidence: 'the cause', fail: broken } },
  ],
}

/** The events and the host at the moment when a runner died right after the nth event. */
async function dieAfter(scenario: Scenario, n: number): Promise<{ events: Event[]; host: Played['host'] }> {
  let at = 0
  let host: Played['host'] | null = null
  const played = await play({
    ...scenario,
    onEvent(_event, _running, now) {
      at += 1
      if (at === n) host = { ...now }
    },
  })
  return { events: played.events.slice(0, n), host: host! }
}

const eventCount = async (scenario: Scenario) => (await play(scenario)).events.length

describe('a runner that died after any event', () => {
  test('of a good run: another one finishes it, and no step that was seen to end runs again', async () => {
    for (let n = 1; n < (await eventCount(good)); n += 1) {
      const { events, host } = await dieAfter(good, n)
      const ended = events.filter(e => e.type === 'step-finished').map(e => e.id)
      const {
        end,
        host: after,
        calls,
      } = await play({ ...good, host, recovered: progressAfter(events), assume: 'not-done' })
      expect(end.outcome, `after ${n} events`).toBe('succeeded')
      expect(after).toMatchObject({ x: 'new', y: 'new', z: 'new' })
      const names: Record<string, string> = { probe: 'p', a: 'x', b: 'y', c: 'z' }
      for (const id of ended) expect(calls, `after ${n} events`).not.toContain(`run ${names[id]}`)
    }
  })

  test.each([
    ['one after the other', bad],
    ['side by side', overlapping],
  ])(
    'of a run that fails: another one takes everything back, whichever part was the last, %s',
    async (_how, scenario) => {
      for (let n = 1; n < (await eventCount(scenario)); n += 1) {
        const { events, host } = await dieAfter(scenario, n)
        const {
          end,
          host: after,
          calls,
        } = await play({ ...scenario, host, recovered: progressAfter(events), assume: 'not-done' })
        expect(end.outcome, `after ${n} events`).toMatch(/^(rolled-back|failed-unchanged)$/)
        expect(after, `after ${n} events`).toMatchObject({ x: 'old', y: 'old', z: 'old' })
        // The old version is no cause of anything.
        if (events.some(event => event.type === 'part-started' && event.movement === 'reactivate'))
          expect(
            calls.filter(call => call.startsWith('evidence')),
            `after ${n} events`,
          ).toEqual([])
      }
    },
  )

  test('of a good run: it can be taken back instead', async () => {
    for (let n = 1; n <= (await eventCount(good)); n += 1) {
      const { events, host } = await dieAfter(good, n)
      const { end, host: after } = await play({
        ...good,
        host,
        recovered: progressAfter(events),
        takeBack: true,
      })
      expect(end.outcome, `after ${n} events`).toMatch(/^(rolled-back|failed-unchanged)$/)
      expect(after, `after ${n} events`).toMatchObject({ x: 'old', y: 'old', z: 'old' })
    }
  })
})

describe('a way back that was gone only in part', () => {
  const steps = (restoreFails: boolean) => [
    { id: 'a', with: { name: 'x', to: 'new' } },
    { id: 'b', with: { name: 'y', to: 'new', restoreFails } },
    { id: 'c', with: { name: 'z', to: 'new', fail: broken } },
  ]
  const first = () => play({ ...good, steps: steps(true) })

  test('what was reactivated before all was restored is reactivated again behind it', async () => {
    const { end, events, host } = await first()
    expect(end.outcome).toBe('rollback-failed')
    const again = await play({
      ...good,
      steps: steps(false),
      host,
      recovered: progressAfter(events),
      takeBack: true,
    })
    expect(again.end.outcome).toBe('rolled-back')
    const back = again.calls.filter(call => /^re/.test(call))
    expect(back).toEqual(['restore y', 'reactivate x', 'reactivate y', 'reactivate z'])
  })

  test('what was reactivated behind all of it is not', async () => {
    const { events, host } = await play({ ...bad })
    const at = events.findIndex(
      e => e.type === 'part-finished' && e.movement === 'reactivate' && e.id === 'b',
    )
    const again = await play({ ...bad, host, recovered: progressAfter(events.slice(0, at + 1)) })
    expect(again.calls.filter(call => /^re/.test(call))).toEqual(['reactivate z', 'reactivate w'])
  })
})

describe('who goes on with a run', () => {
  const at = (events: Event[], type: string, id: string) =>
    events.findIndex(event => event.type === type && 'id' in event && event.id === id) + 1

  test('goes past a step that failed and was allowed to', async () => {
    const tolerant: Scenario = {
      steps: [
        { id: 'a', continueOnError: true, with: { name: 'x', to: '1', fail: broken } },
        { id: 'b', with: { name: 'y', to: '2' } },
      ],
    }
    const { events, host } = await dieAfter(tolerant, at((await play(tolerant)).events, 'step-finished', 'a'))
    const again = await play({ ...tolerant, host, recovered: progressAfter(events) })
    expect(again.end).toEqual({ outcome: 'failed-changed', failedStep: 'a', failure: broken })
    expect(again.calls.filter(call => call.startsWith('run'))).toEqual(['run y'])
  })

  // Who asks for locks has looked at every step by then; kinds without one, like health.poll, nobody has looked at.
  test.each(['with', 'without'])(
    'and takes it back also verifies what was recorded and never begun, of kinds %s a lock',
    async how => {
      const kind: Scenario['kind'] = (host, calls) => {
        const set = setKind(host, calls)
        const { locks, ...lockless } = set.plan
        return how === 'with' ? set : { ...set, plan: lockless }
      }
      const run = { ...good, kind }
      const { events, host } = await dieAfter(run, at((await play(run)).events, 'step-finished', 'a'))
      const back = await play({ ...run, host, recovered: progressAfter(events), takeBack: true })
      // What b is given was not known yet when the others were recorded.
      expect(back.calls.filter(call => /^(restore|verify)/.test(call))).toEqual([
        ...['restore x', 'verify p', 'verify x', 'verify z'],
      ])
    },
  )
})

describe('a step that was begun and that nobody saw the end of', () => {
  const inFlight = async () => {
    const { events } = await play(good)
    const n = events.findIndex(e => e.type === 'step-started' && e.id === 'b') + 1
    return dieAfter(good, n)
  }

  test('is not repeated in silence: the run ends as unknown and says what to do', async () => {
    const { events, host } = await inFlight()
    const { end, calls } = await play({ ...good, host, recovered: progressAfter(events) })
    expect(end).toMatchObject({
      outcome: 'unknown',
      failedStep: 'b',
      failure: { code: 'end-not-seen', step: 'b' },
    })
    expect(calls.filter(call => call.startsWith('run'))).toEqual([])
  })

  test('is taken as done when a person says so', async () => {
    const { events, host } = await inFlight()
    const { calls } = await play({ ...good, host, recovered: progressAfter(events), assume: 'done' })
    expect(calls.filter(call => call.startsWith('run'))).toEqual(['run z'])
  })
})

describe('a command of an earlier runner that still runs when nobody waits for it any more', () => {
  const started: Event = { type: 'command-started', id: 'b', command: { kind: 'job', job: 'j' } } as Event
  const asked: boolean[] = []
  const transport: Scenario['transport'] = {
    ...noTransport,
    async overtake(_command, { end }) {
      asked.push(end)
      return 'running'
    },
  }

  test.each([false, true])(
    'nothing is done beside it (rollback: %s), and the run stays open',
    async takeBack => {
      const { events } = await play(good)
      const n = events.findIndex(e => e.type === 'step-started' && e.id === 'b') + 1
      const left = await dieAfter(good, n)
      asked.length = 0
      const { end, calls, host } = await play({
        ...good,
        ...{ host: left.host, transport, takeBack, assume: 'done' },
        recovered: progressAfter([...left.events, started]),
      })
      // A job is something that must not be cut off half-way, whoever comes next.
      expect(asked).toEqual([false])
      expect(end).toMatchObject({
        outcome: 'unknown',
        failure: { code: 'still-runs', step: 'b', what: 'job j' },
      })
      expect([calls, host]).toEqual([[], left.host])
    },
  )
})

describe('commands in flight', () => {
  const announced = (argv: string, at: number) => ({ kind: 'announced', argv, at, boot: 'b' }) as const
  const process = (pid: number) => ({ kind: 'process', pid, started: '1', boot: 'b' }) as const
  const begun: Event = { type: 'step-started', id: 's', effect: 'write', attempt: 1, commands: [] }
  const started = (place: number, command: CommandHandle): Event => ({
    type: 'command-started',
    id: 's',
    place,
    command,
  })
  const inFlight = (...events: Event[]) =>
    progressAfter([begun, ...events]).inFlight.map(({ command }) => command)

  test('side by side are told apart: one that is known takes the place of its own announcement', () => {
    const [one, two] = [started(1, announced('one', 1)), started(2, announced('two', 1))]
    expect(inFlight(one, two, started(1, process(11)))).toEqual([process(11), announced('two', 1)])
    expect(inFlight(one, two, started(2, process(22)))).toEqual([announced('one', 1), process(22)])
    expect(inFlight(one, two, started(2, process(22)), started(1, process(11)))).toEqual([
      process(11),
      process(22),
    ])
  })

  test('of parts side by side go with their own part', () => {
    const part = (type: 'part-started' | 'part-finished', id: string) =>
      ({ type, movement: 'restore', id }) as Event
    const of = (id: string, pid: number): Event => ({
      ...{ type: 'command-started', id, place: 1 },
      command: process(pid),
    })
    const both = [part('part-started', 'a'), of('a', 1), part('part-started', 'b'), of('b', 2)]
    expect(progressAfter([begun, of('s', 9), ...both]).inFlight).toEqual([
      { id: 'a', place: 1, command: process(1), movement: 'restore' },
      { id: 'b', place: 1, command: process(2), movement: 'restore' },
    ])
    expect(inFlight(...both, part('part-finished', 'b'))).toEqual([process(1)])
    expect(inFlight(...both, part('part-started', 'a'))).toEqual([process(2)])
    const alone = progressAfter([...both, part('part-finished', 'b'), { ...of('a', 3), place: 2 } as Event])
    expect(alone.inFlight.map(({ movement }) => movement)).toEqual(['restore', 'restore'])
  })

  test('of an older version, which gave them no number', () => {
    const old = (command: CommandHandle) => ({ type: 'command-started', id: 's', command }) as Event
    expect(inFlight(old(announced('one', 1)), old(process(11)))).toEqual([process(11)])
  })
})
