/** The commands that a failure hints at name the host that its run lives on. */
import { expect, test } from 'vitest'
import type { Failure } from '../../src/failure.ts'
import { word, wordOpenEnd } from '../../src/wording/word.ts'

const AT = ' --target hostlink:a'
const because = { why: 'not-yet' } as const

test.each<[Failure, string]>([
  [{ code: 'has-a-runner', runId: 'r', pid: null }, 'hostops wait r --target hostlink:a   waits for its end'],
  [
    { code: 'runner-gone', runId: 'r', step: null },
    'hostops resume r --target hostlink:a goes on with it, hostops rollback r --target hostlink:a takes it back',
  ],
  [
    { code: 'not-confirmable', runId: 'r', because },
    'hostops logs r -f --target hostlink:a   shows where it is',
  ],
  [
    { code: 'interrupted-run', what: 'x', runId: 'r' },
    'finish it with hostops resume r --target hostlink:a, or take it back with hostops rollback r --target hostlink:a',
  ],
  [
    { code: 'interrupted-run', what: 'x', runId: 'r', state: '/s' },
    'finish it with HOSTOPS_STATE_DIR=/s hostops resume r, or take it back with HOSTOPS_STATE_DIR=/s hostops rollback r',
  ],
])('%j', (failure, hint) => {
  expect(word(failure, AT).hint).toBe(hint)
  expect(word(failure).hint).toBe(hint.replaceAll(AT, ''))
})

test('an open end always says what may be done about it', () => {
  expect(wordOpenEnd({ code: 'internal', problem: 'x' }, 'r', AT).hint).toBe(
    'hostops resume r --target hostlink:a goes on with it, hostops rollback r --target hostlink:a takes it back',
  )
})

test.each([
  [{ code: 'of-the-future', what: 1 }, 'of-the-future'],
  [{ code: 'inputs-invalid' }, 'inputs-invalid'],
])(
  'what another hostops sends in a shape that is not known here is told by its code: %j',
  (failure, message) => {
    expect(word(failure as unknown as Failure)).toEqual({ message })
  },
)
