/** What the engine's events tell of the ends of containers. */
import { expect, test } from 'vitest'
import { Deaths } from '../../src/steps/compose/deaths.ts'
import { judgeReplicas, type Replica } from '../../src/steps/compose/stability.ts'

const STARTED = Date.parse('2026-11-30T12:00:00Z')
const replica = (more: Partial<Replica> = {}): Replica => ({
  ...{ id: 'a', name: 'p-app-1', service: 'app', config: '', image: 'sha256:1', restarts: 0, exitCode: 0 },
  ...{ status: 'running', startedAt: new Date(STARTED).toISOString(), finishedAt: '', comesBack: true },
  ...{ health: null, said: '', outOfMemory: false },
  ...more,
})
const died = (more = {}) => ({ container: 'a', what: 'die', at: STARTED + 500, exitCode: 3, ...more })
const verdict = (now: readonly Replica[], maxRestarts = 0) =>
  judgeReplicas([{ name: 'app', replicas: 1, oneShot: false }], new Map([['a', replica()]]), now, maxRestarts)

test('a death after the start that was seen is final, before the engine has counted a restart', async () => {
  const deaths = new Deaths()
  deaths.sees([replica()])
  let told = false
  const next = deaths.next().then(() => {
    told = true
  })
  expect(deaths.hears(died())).toBe(true)
  await next
  expect(told).toBe(true)
  expect(deaths.someoneDied()).toBe(true)
  const now = deaths.applied([replica()])
  expect(now[0]).toMatchObject({ status: 'exited', exitCode: 3, died: true })
  expect(verdict(now)).toMatchObject({
    final: true,
    problems: [{ detail: 'p-app-1 has ended with exit code 3' }],
  })
  expect(verdict(now, 1)).toMatchObject({ final: false })
})

test('heard before the first look, it counts for what that look finds', () => {
  const deaths = new Deaths()
  expect(deaths.hears(died())).toBe(false)
  expect(deaths.someoneDied()).toBe(false)
  deaths.sees([replica({ status: 'restarting' })])
  expect(deaths.someoneDied()).toBe(true)
})

test.each([
  ['an end before the present start', [died({ at: STARTED - 1 })]],
  ['a clean end', [died({ exitCode: 0 })]],
  ['one that somebody has asked for', [died({ what: 'kill', at: STARTED + 400 }), died({ exitCode: 143 })]],
  ['that of another container', [died({ container: 'b' })]],
])('%s is no death', (_name, heard) => {
  const deaths = new Deaths()
  deaths.sees([replica()])
  for (const each of heard) deaths.hears(each)
  expect(deaths.someoneDied()).toBe(false)
  expect(deaths.applied([replica()])).toEqual([replica()])
})

test('a stop of an earlier life says nothing about this one', () => {
  const deaths = new Deaths()
  deaths.hears(died({ what: 'kill', at: STARTED - 5000 }))
  deaths.sees([replica()])
  deaths.hears(died())
  expect(deaths.someoneDied()).toBe(true)
})
