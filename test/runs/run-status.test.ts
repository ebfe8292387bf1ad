/** The whole table of statuses, from all that a run's folder can show. */
import { describe, expect, test } from 'vitest'
import { OUTCOMES } from '../../src/engine/events.ts'
import {
  hasReport,
  hasSettled,
  mayLive,
  RUN_STATUSES,
  type RunTraces,
  statusOf,
} from '../../src/runs/run-status.ts'

const JOURNALS = ['none', 'blank', 'written'] as const
const report = (outcome: (typeof OUTCOMES)[number], errorCode: string | null = null) =>
  ({ outcome, errorCode }) as RunTraces['report']

describe('a runner that is not known to be dead counts more than anything that is written', () => {
  const reports = [null, report('succeeded'), report('unknown'), report('invalid')]
  test.each(JOURNALS)('with a journal that is %s', journal => {
    for (const each of reports) {
      expect(statusOf({ runner: 'lives', report: each, journal })).toBe('running')
      expect(statusOf({ runner: 'unseen', report: each, journal })).toBe('unseen')
    }
  })
})

test.each([
  ['none', 'not-started'],
  ['blank', 'not-started'],
  ['written', 'cut-off'],
] as const)('a dead runner without a report, and a journal that is %s: %s', (journal, status) => {
  expect(statusOf({ runner: 'dead', report: null, journal })).toBe(status)
})

describe('a report of a dead runner', () => {
  test.each(OUTCOMES)('%s', outcome => {
    const expected = outcome === 'unknown' ? 'open' : 'settled'
    const seen = (journal: RunTraces['journal'], errorCode: string | null = null) =>
      statusOf({ runner: 'dead', report: report(outcome, errorCode), journal })
    expect(seen('written')).toBe(expected)
    expect(seen('written', 'half-way')).toBe('open')
    expect(seen('none')).toBe(outcome === 'invalid' ? 'mistake' : expected)
  })
})

test('what may be done with each of them', () => {
  const rows = RUN_STATUSES.map(status => [status, mayLive(status), hasReport(status), hasSettled(status)])
  expect(rows).toEqual([
    ['not-started', false, false, false],
    ['running', true, false, false],
    ['unseen', true, false, false],
    ['cut-off', false, false, false],
    ['open', false, true, false],
    ['settled', false, true, true],
    ['mistake', false, true, true],
  ])
})
