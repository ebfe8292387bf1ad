/** What `ask` passes on of an answer: never more than a carrier takes, and never so that its reader gets stuck. */
import { expect, test } from 'vitest'
import type { RunAnswer } from '../../src/hostlink/messages.ts'
import { askedRequest, fittingReply, startRequest } from '../../src/serve/trigger/requests.ts'
import { jsonLine } from '../../src/wording/printable.ts'

const MOST = 150_000
const envelope = { version: 1, id: 'x', node: 'host', status: 'ok' } as const
const passOn = (action: string, fields: object, answer: Partial<RunAnswer>) => {
  const request = askedRequest(action, JSON.stringify(fields))
  const reply = fittingReply(request, { ok: true, value: { ...envelope, ...answer } }, 'hostlink')
  expect(jsonLine(reply).length).toBeLessThanOrEqual(MOST)
  return reply
}
const answerOf = (reply: ReturnType<typeof passOn>) => {
  if (!reply.ok) throw new Error(reply.failure.code)
  return reply.value
}

test('waits are cut to 20 s, and a wait that is not given is one of 20 s', () => {
  expect(askedRequest('wait', '{"run_id":"r"}')).toMatchObject({ timeout_ms: 20_000 })
  expect(askedRequest('wait', '{"run_id":"r","timeout_ms":60000}')).toMatchObject({ timeout_ms: 20_000 })
  expect(askedRequest('wait', '{"run_id":"r","timeout_ms":5}')).toMatchObject({ timeout_ms: 5 })
  expect(askedRequest('events', '{"run_id":"r","wait_ms":60000,"max_bytes":1000000}')).toMatchObject({
    wait_ms: 20_000,
    max_bytes: 100_000,
  })
  expect(askedRequest('journal', '{"run_id":"r","wait_ms":60000}')).toMatchObject({ wait_ms: 20_000 })
})

test('bytes of a log go on where they were cut', () => {
  const bytes = Buffer.alloc(256 * 1024, 'x')
  const data = bytes.toString('base64')
  const value = answerOf(
    passOn('logs', { run_id: 'r', file: 'f', offset: 7 }, { data, next_offset: 262_151 }),
  )
  const length = Buffer.from(value.data!, 'base64').length
  expect(value.next_offset).toBe(7 + length)
  expect(length).toBeGreaterThan(50_000)
  const short = { data: Buffer.from('abc').toString('base64'), next_offset: 3 }
  expect(answerOf(passOn('logs', { run_id: 'r', file: 'f' }, short))).toMatchObject(short)
})

test('entries of a journal are cut between two of them, and then it is not done', () => {
  const entry = (seq: number) => ({ v: 2, seq, at: 'now', type: 'said', line: 'é\u0007'.repeat(500) })
  const entries = Array.from({ length: 200 }, (_, at) => entry(at + 1))
  const value = answerOf(passOn('journal', { run_id: 'r' }, { entries, done: true }))
  expect(value.done).toBe(false)
  expect(value.entries!.length).toBeGreaterThan(10)
  expect(value.entries).toEqual(entries.slice(0, value.entries!.length))
  expect(answerOf(passOn('journal', { run_id: 'r' }, { entries: [entry(1)], done: true })).done).toBe(true)
})

test('of a list the newest are kept; what cannot be cut is refused', () => {
  const runs = Array.from({ length: 200 }, (_, at) => ({ runId: `r${at}`, folder: 'x'.repeat(2000) }))
  const value = answerOf(passOn('list', {}, { runs }))
  expect(value.runs).toEqual(runs.slice(0, value.runs!.length))
  expect(passOn('report', { run_id: 'r' }, { stdout: 'x'.repeat(MOST) })).toMatchObject({ ok: false })
  const huge = { v: 2, seq: 1, at: 'now', type: 'said', line: 'x'.repeat(MOST) }
  expect(passOn('journal', { run_id: 'r' }, { entries: [huge], done: true })).toMatchObject({ ok: false })
})

test('a start has the name only, and each text as it was given', () => {
  const fields = startRequest({ name: 'up', runId: 'r', input: ['ref=@x', 'a=b=c', 'empty='] })
  expect(fields).toEqual({
    run_id: 'r',
    playbook: { name: 'up' },
    input_texts: { ref: '@x', a: 'b=c', empty: '' },
    options: {},
  })
  for (const name of ['', '.', '..', 'a/b', '-x', '@x', 'a\0b', 'é', 'x'.repeat(65)])
    expect(() => startRequest({ name, runId: 'r', input: [] }), name).toThrow()
})
