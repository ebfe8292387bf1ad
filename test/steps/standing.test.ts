/** When a version stands: decided from timed facts, without a clock. */
import { describe, expect, test } from 'vitest'
import { type Fact, judgeStanding, longestFor, NOT_YET } from '../../src/steps/contract/standing.ts'

/** `+` good, `-` bad, `!` final, `~` good after something was started again; a fact each second, from 0. */
function ends(facts: string, limits: { timeout: number; for: number; rounds?: number }): string {
  const fact = (kind: string, at: number): Fact => ({
    at: at * 1000,
    good: kind === '+' || kind === '~',
    final: kind === '!',
    print: kind === '~' ? 'again' : '',
  })
  let standing = NOT_YET
  for (const [at, kind] of [...facts].entries()) {
    const { now, verdict } = judgeStanding(standing, fact(kind, at), {
      startedAt: 0,
      timeoutMs: limits.timeout * 1000,
      forMs: limits.for * 1000,
      rounds: limits.rounds ?? 1,
    })
    if (verdict !== 'wait') return `${verdict} at ${at}`
    standing = now
  }
  return 'waits'
}

describe('a version', () => {
  test.each([
    ['good from the start', '++++++', { timeout: 9, for: 3 }, 'stands at 3'],
    ['good late', '-----++++++', { timeout: 9, for: 3 }, 'stands at 8'],
    ['good with the last breath', '---++++++', { timeout: 3, for: 3 }, 'stands at 6'],
    ['never good', '-----------', { timeout: 5, for: 3 }, 'fails at 5'],
    ['good too late', '----', { timeout: 3, for: 3 }, 'fails at 3'],
    ['bad once, which begins the window again', '++-++++', { timeout: 9, for: 3 }, 'stands at 6'],
    ['bad once after the timeout', '---++-+++', { timeout: 4, for: 5 }, 'fails at 5'],
    ['flapping', '+-+-+-+-+-+-+', { timeout: 6, for: 3 }, 'fails at 7'],
    ['broken for good', '++!+++', { timeout: 9, for: 5 }, 'fails at 2'],
    ['broken before it was good', '-!', { timeout: 9, for: 5 }, 'fails at 1'],
    ['started again, which begins the window again', '++~~~~~', { timeout: 9, for: 3 }, 'stands at 5'],
    ['started again after the timeout', '+++++~~', { timeout: 4, for: 6 }, 'fails at 5'],
    ['without a window', '-+', { timeout: 9, for: 0 }, 'stands at 1'],
    ['with rounds in a row', '++-+++', { timeout: 9, for: 0, rounds: 3 }, 'stands at 5'],
  ])('%s', (_name, facts, limits, end) => expect(ends(facts, limits)).toBe(end))
})

test('the longest window that a step names counts, and 10 s where none does', () => {
  expect(longestFor([{ forMs: null }, { forMs: null }])).toBe(10_000)
  expect(longestFor([{ forMs: null }, { forMs: 2000 }])).toBe(2000)
  expect(longestFor([{ forMs: 2000 }, { forMs: 30_000 }])).toBe(30_000)
})
