/** What hostops makes of each answer of a gateway. The answers are those that real gateways have given. */
import { describe, expect, test } from 'vitest'
import type { GatewayAnswer } from '../../../src/openclaw/gateway.ts'
import { notConnected, replyIn } from '../../../src/openclaw/node-answer.ts'
import type { NodePlace } from '../../../src/openclaw/node-place.ts'

const place: NodePlace = {
  target: 'node:desk',
  name: 'desk',
  gateway: new URL('ws://127.0.0.1:18789'),
  token: 't',
  trigger: '/usr/local/lib/hostops/hostops-trigger',
  agent: 'main',
}
const read = { place, action: 'wait', command: 'hostops-trigger ask wait {}', repeats: true }
const start = { ...read, action: 'start', command: 'hostops-trigger ask start {}', repeats: false }

const ran = (payload: object): GatewayAnswer => ({ kind: 'answer', payload: { ok: true, payload } })
const printed = (stdout: string, more = {}) =>
  ran({ exitCode: 0, timedOut: false, stdout, stderr: '', ...more })
const refused = (code: string, message: string, details = {}): GatewayAnswer => ({
  ...{ kind: 'refused', code, message, details },
})
const lost: GatewayAnswer = { kind: 'lost', isSent: true, reason: 'closed' }

describe('the launcher', () => {
  test('answers', () => {
    expect(replyIn(printed('{"ok":true,"value":{"done":true}}\n'), read)).toEqual({
      ok: true,
      value: { done: true },
    })
  })
  test('answers no, of this target', () => {
    const failure = { code: 'unreachable', target: 'hostlink', reason: 'connect ENOENT' }
    expect(
      replyIn(printed(JSON.stringify({ ok: false, failure, again: true }), { exitCode: 4 }), read),
    ).toEqual({
      ...{ ok: false, missing: false, again: true, unable: false },
      failure: { ...failure, target: 'node:desk' },
    })
  })
  test.each([
    ['is not there', ran({ error: 'spawn /x ENOENT' }), { code: 'command-not-started', why: 'not-found' }],
    [
      'fails',
      printed('', { exitCode: 1, stderr: 'no' }),
      { code: 'command-failed', exitCode: 1, tail: 'no' },
    ],
    ['says nothing', printed(''), { code: 'usage', what: 'unreadable-answer' }],
    ['says something else', printed('{"ok":"yes"}'), { code: 'usage', what: 'unreadable-answer' }],
  ])('%s', (_, answer, failure) => {
    expect(replyIn(answer, start)).toMatchObject({ ok: false, again: false, failure })
  })
})

describe('a lost answer', () => {
  test('of a read may be asked for again', () => {
    for (const answer of [
      lost,
      ran({ timedOut: true }),
      refused('UNAVAILABLE', 'node disconnected (system.run)'),
    ])
      expect(replyIn(answer, read)).toMatchObject({ again: true, failure: { code: 'unreachable' } })
  })
  test('of a start is not known', () => {
    for (const answer of [
      lost,
      ran({ timedOut: true }),
      refused('UNAVAILABLE', 'node disconnected (system.run)'),
    ])
      expect(replyIn(answer, start)).toMatchObject({
        again: false,
        failure: { code: 'link-lost', command: 'start' },
      })
  })
  test('of a start that was certainly not sent may be sent again', () => {
    for (const answer of [
      { ...lost, isSent: false } as GatewayAnswer,
      refused('UNAVAILABLE', 'node not connected', { code: 'NOT_CONNECTED' }),
      refused('UNAVAILABLE', 'UNAVAILABLE: node pairing state unavailable', { nodeCommandDispatched: false }),
    ])
      expect(replyIn(answer, start)).toMatchObject({ again: true, failure: { code: 'unreachable' } })
  })
})

test.each([
  ['SYSTEM_RUN_DENIED: approval required', 'approval-needed'],
  ['UNAVAILABLE: SYSTEM_RUN_DISABLED: security=deny', 'denied'],
  ['SYSTEM_RUN_DENIED: allowlist miss', 'denied'],
  ['missing scope: operator.write', 'denied'],
  ['node command not allowed: "system.run" is not in the allowlist', 'denied'],
])('%s', (message, code) => {
  expect(replyIn(refused('UNAVAILABLE', message), start)).toMatchObject({
    again: false,
    failure: { code },
  })
})

test.each([
  [refused('INVALID_REQUEST', 'unauthorized: gateway token mismatch'), { code: 'auth-failed' }],
  [
    refused('NOT_PAIRED', 'pairing required', { requestId: 'r1' }),
    { code: 'unreachable', hint: expect.stringContaining('openclaw devices approve r1') },
  ],
  [
    refused('INVALID_REQUEST', 'protocol mismatch', { expectedProtocol: 5 }),
    { code: 'unreachable', reason: expect.stringContaining('protocol 5') },
  ],
  [lost, { code: 'unreachable', reason: expect.stringContaining('does not answer: closed') }],
])('no connection: %j', (answer, failure) => {
  expect(notConnected(answer as never, place)).toMatchObject(failure)
})
