import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  durationSchema,
  MAX_DURATION_MS,
  parseDuration,
  parseTimeLimit,
  printDuration,
  timeLimitSchema,
} from '../src/duration.ts'

test.each([
  ['500ms', 500],
  ['30s', 30_000],
  ['5m', 300_000],
  ['2h', 7_200_000],
  ['0s', 0],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
  expect(durationSchema().safeParse(text).success).toBe(true)
})

test.each(['', '5', '1.5s', '-1s', ' 5s', '5s\n', '5 s', '05s', '1d', '5S', '9999999999h', '1h30m'])(
  '%j is no duration',
  text => {
    expect(parseDuration(text)).toBeNull()
    expect(durationSchema().safeParse(text).success).toBe(false)
  },
)

test('in no time at all nothing can be done: 0 is a pause and no limit', () => {
  for (const [text, ms] of [
    ['0s', null],
    ['0ms', null],
    ['1ms', 1],
    ['2h', 7_200_000],
    ['9999999999h', null],
  ] as const) {
    expect(parseTimeLimit(text)).toBe(ms)
    expect(timeLimitSchema().safeParse(text).success).toBe(ms !== null)
  }
})

test('what is printed is read back as the same number', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), ms => parseDuration(printDuration(ms)) === ms),
  )
})
