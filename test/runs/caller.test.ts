import { userInfo } from 'node:os'
import { expect, test } from 'vitest'
import { callerOf } from '../../src/runs/caller.ts'

test('without a word of others it is the user here, and the target that they named', () => {
  const by = { kind: 'user', name: userInfo().username }
  expect(callerOf(undefined, 'ssh:web1')).toEqual({ by, target: 'ssh:web1', parent: null })
})

test('what a daemon was told of its caller is taken over', () => {
  const by = { kind: 'token', name: 'ci' } as const
  const caller = { by, target: 'hostlink:desktop', parent: { fleet: '20261120T180900Z-7f3a9c', wave: 2 } }
  expect(callerOf(JSON.stringify(caller), 'local')).toEqual(caller)
  expect(callerOf(JSON.stringify({ by }), 'local')).toEqual({ by, target: 'local', parent: null })
})

test.each([
  '',
  'null',
  '{}',
  '{"by":{"kind":"god","name":"x"}}',
  '{"by":{"kind":"user","name":""}}',
  '{"by":{"kind":"user","name":"a\\nb"}}',
  '{"by":{"kind":"user","name":"\\u001b[2J"}}',
  '{"by":{"kind":"user","name":"a"},"target":5}',
  '{"by":{"kind":"user","name":"a"},"parent":{"fleet":"f","wave":0}}',
  '{"by":{"kind":"user","name":"a"},"more":1}',
])('anything else is refused: %s', given => {
  expect(() => callerOf(given, 'local')).toThrow(
    expect.objectContaining({ failure: expect.objectContaining({ code: 'usage' }) }),
  )
})
