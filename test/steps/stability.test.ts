import { describe, expect, test } from 'vitest'
import { pinName } from '../../src/steps/compose/image-pins.ts'
import {
  asFound,
  crashed,
  fingerprint,
  judgeReplicas,
  learned,
  type Replica,
  untouched,
} from '../../src/steps/compose/stability.ts'

const replica = (more: Partial<Replica> = {}): Replica => ({
  id: 'a',
  name: 'p-app-1',
  service: 'app',
  config: '',
  image: 'sha256:1',
  restarts: 0,
  status: 'running',
  startedAt: 't',
  finishedAt: '0001-01-01T00:00:00Z',
  exitCode: 0,
  comesBack: true,
  health: null,
  said: '',
  outOfMemory: false,
  ...more,
})
const verdict = (now: Replica[], first: Replica[] = now, more = {}) =>
  judgeReplicas(
    [{ name: 'app', replicas: 1, oneShot: false, ...more }],
    new Map(first.map(each => [each.id, each])),
    now,
  )

describe('good', () => {
  test.each([
    ['running without a health check', replica()],
    ['healthy', replica({ health: 'healthy' })],
    ['restarted long ago', replica({ restarts: 7 })],
  ])('%s', (_name, now) => expect(verdict([now])).toEqual({ good: true }))

  test('a one-shot service that has ended well', () => {
    const now = [replica({ status: 'exited', comesBack: false })]
    expect(verdict(now, now, { oneShot: true })).toEqual({ good: true })
  })
  test('a service that shall have no container', () => {
    expect(verdict([], [], { replicas: 0 })).toEqual({ good: true })
  })
})

describe('not yet', () => {
  test.each([
    ['starting', replica({ health: 'starting' }), 'p-app-1 is starting'],
    [
      'restarting, which the engine calls running',
      replica({ status: 'restarting', exitCode: 2 }),
      'p-app-1 is restarting (exit code 2)',
    ],
    ['created', replica({ status: 'created' }), 'p-app-1 is created (exit code 0)'],
    [
      'ended, to be started again',
      replica({ status: 'exited', exitCode: 1 }),
      'p-app-1 has ended with exit code 1',
    ],
  ])('%s', (_name, now, detail) => {
    expect(verdict([now])).toEqual({
      good: false,
      final: false,
      problems: [expect.objectContaining({ service: 'app', detail })],
    })
  })
  test('one of two replicas', () => {
    expect(verdict([replica()], [], { replicas: 2 })).toMatchObject({ good: false, final: false })
  })
})

describe('never', () => {
  test.each([
    [
      'restarted since',
      replica({ restarts: 2, exitCode: 137, outOfMemory: true }),
      'p-app-1 has restarted 2 times (exit code 137, out of memory)',
    ],
    [
      'ended for good',
      replica({ status: 'exited', comesBack: false, exitCode: 1 }),
      'p-app-1 has ended with exit code 1',
    ],
    ['dead', replica({ status: 'dead' }), 'p-app-1 is dead'],
    ['unhealthy', replica({ health: 'unhealthy', said: 'a\nno db' }), 'p-app-1 is unhealthy: no db'],
    [
      'started again by somebody, which the engine does not count',
      replica({ startedAt: 'u' }),
      'p-app-1 has ended and was started again',
    ],
  ])('%s', (_name, now, detail) => {
    expect(verdict([now], [replica()])).toMatchObject({ good: false, final: true, problems: [{ detail }] })
  })
  test('one bad replica among good ones', () => {
    const now = [replica(), replica({ id: 'b', name: 'p-app-2', restarts: 1 })]
    const first = [replica(), replica({ id: 'b' })]
    expect(verdict(now, first, { replicas: 2 })).toMatchObject({ good: false, final: true })
  })
})

describe('what was started', () => {
  const [old, fresh] = [replica({ id: 'old', restarts: 5 }), replica({ id: 'new' })]
  const found = (now: Replica[], maxRestarts = 0, before = learned(untouched([old]), [old, fresh])) =>
    crashed(learned(before, now), now, maxRestarts).map(problem => problem.detail)

  test.each([
    ['nothing', [old, fresh], 0],
    ['what was not touched', [{ ...old, health: 'unhealthy' }, fresh], 0],
    ['what is starting', [old, { ...fresh, health: 'starting' }], 0],
    ['a clean end', [old, { ...fresh, status: 'exited', comesBack: false }], 0],
    ['a restart that is allowed', [old, { ...fresh, restarts: 1 }], 1],
  ])('is none: %s', (_name, now, max) => expect(found(now as Replica[], max)).toEqual([]))
  test.each([
    ['an unhealthy one', [old, { ...fresh, health: 'unhealthy' }], 'p-app-1 is unhealthy'],
    ['a restart', [old, { ...fresh, restarts: 1, exitCode: 3 }], 'p-app-1 has restarted once (exit code 3)'],
    [
      'an end',
      [old, { ...fresh, status: 'exited', exitCode: 3, comesBack: false }],
      'p-app-1 has ended with exit code 3',
    ],
    [
      'one that replaced another',
      [{ ...old, id: 'next', restarts: 2 }, fresh],
      'p-app-1 has restarted 2 times (exit code 0)',
    ],
  ])('is one: %s', (_name, now, detail) => expect(found(now as Replica[])).toEqual([detail]))
  test('what a step of the playbook has stopped or restarted since was meant', () => {
    const now = [
      { ...old, status: 'exited', exitCode: 137 },
      { ...fresh, startedAt: 'u' },
    ]
    expect(found(now, 0, asFound(now))).toEqual([])
    const later = [now[0]!, { ...fresh, startedAt: 'u', restarts: 1 }]
    expect(found(later, 0, asFound(now))).toEqual(['p-app-1 has restarted once (exit code 0)'])
  })
})

test('a container that was started again or replaced is another one', () => {
  const before = fingerprint([replica()])
  expect(fingerprint([replica({ health: 'healthy' })])).toBe(before)
  for (const change of [{ id: 'b' }, { startedAt: 'u' }, { restarts: 1 }]) {
    expect(fingerprint([replica(change)])).not.toBe(before)
  }
})

test.each([
  ['p', 'app', 'hostops/rollback/p-app:R'],
  ['p_', 'App.Web', 'hostops/rollback/p-app.web:R'],
  ['my__p', 'a_b', 'hostops/rollback/my__p-a_b:R'],
  ['p', 'a...b__.', 'hostops/rollback/p-a-b:R'],
])('pin of %s %s', (project, service, pin) => expect(pinName(project, service, 'R')).toBe(pin))
