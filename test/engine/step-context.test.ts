import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { newHold } from '../../src/engine/pause-probes.ts'
import type { RecentReads } from '../../src/engine/recent-reads.ts'
import { NO_SECRETS } from '../../src/engine/redact.ts'
import { stepContext } from '../../src/engine/step-context.ts'
import { Failed } from '../../src/failure.ts'
import { succeed } from '../../src/steps/command/run-command.ts'
import { localTransport } from '../../src/transport/local.ts'
import { realClock } from '../rig/engine.ts'

const transport = localTransport()
afterAll(() => transport.close())

function context(timeoutMs = 30_000, signal = new AbortController().signal) {
  const events: Event[] = []
  const emit = (event: Event) => void events.push(event)
  const made = stepContext({
    ...{ runId: 'r', stepId: 's', phase: '1', env: {}, cwd: undefined, confirmed: null, hold: newHold() },
    ...{ transport, clock: realClock, emit, secrets: NO_SECRETS, timeoutMs, signal },
  })
  return { context: made, events }
}

const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => null,
    error => (error instanceof Failed ? error.failure : error),
  )

test('a failure is explained by the end of the output, however long it was', async () => {
  const { context: ctx } = context()
  const argv = ['sh', '-c', 'yes filler | head -c 3000000; echo; echo the cause >&2; exit 3']
  expect(await failureOf(succeed(ctx, { argv }))).toMatchObject({
    code: 'command-failed',
    exitCode: 3,
    tail: 'the cause',
  })
  const long = ['sh', '-c', 'yes filler | head -c 3000000 >&2; echo >&2; echo the cause >&2; exit 3']
  const failure = await failureOf(succeed(context().context, { argv: long }))
  expect(failure.tail.split('\n').at(-1)).toBe('the cause')
})

test('a command that outlives its step is stopped, and named', async () => {
  const failure = await failureOf(context(300).context.exec({ argv: ['sleep', '60'] }))
  expect(failure).toMatchObject({ code: 'command-timeout', argv: ['sleep', '60'] })
})

test('a command of a run that is stopped ends with the reason of the stop', async () => {
  const stop = new AbortController()
  const { context: ctx } = context(30_000, stop.signal)
  const running = failureOf(ctx.exec({ argv: ['sleep', '60'] }))
  setTimeout(() => stop.abort(new Failed({ code: 'interrupted', signal: 'SIGTERM' })), 50)
  expect(await running).toEqual({ code: 'interrupted', signal: 'SIGTERM' })
})

test('what is not there, or cannot be entered, is told apart from what failed', async () => {
  const { context: ctx } = context()
  expect(await failureOf(ctx.exec({ argv: ['no-such-program-at-all'] }))).toMatchObject({
    code: 'command-not-started',
    why: 'not-found',
  })
  expect(await failureOf(ctx.exec({ argv: ['true'], cwd: '/no/such/folder' }))).toMatchObject({
    code: 'command-not-started',
    why: 'bad-cwd',
  })
})

describe('a look', () => {
  const counting = (folder: string) => [
    'sh',
    '-c',
    'echo x >>"$1"; wc -l <"$1"',
    'count',
    join(folder, 'looks'),
  ]
  const look = { repeatable: true, quiet: true } as const
  const shared = (looks: RecentReads, looksAnew: boolean, now = () => 0) => {
    const clock = { ...realClock, now }
    return stepContext({
      ...{ runId: 'r', stepId: 's', phase: '1', env: {}, cwd: undefined, confirmed: null, hold: newHold() },
      ...{ transport, clock, emit: () => {}, secrets: NO_SECRETS, timeoutMs: 30_000, looks, looksAnew },
      signal: new AbortController().signal,
    })
  }
  const folder = mkdtempSync(join(tmpdir(), 'hostops-looks-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('of a step is anew; who comes just behind it takes the answer, until something is changed or time goes by', async () => {
    const looks: RecentReads = new Map()
    let now = 0
    const argv = counting(folder)
    const seen = async (anew: boolean) =>
      Number((await shared(looks, anew, () => now).exec({ argv, ...look })).stdout)
    expect(await seen(true)).toBe(1)
    expect(await seen(true)).toBe(2)
    expect(await seen(false)).toBe(2)
    expect(await seen(false)).toBe(2)
    await shared(looks, true).exec({ argv: ['true'] })
    expect(await seen(false)).toBe(3)
    now = 3000
    expect(await seen(false)).toBe(4)
  })

  test("that failed is nobody else's", async () => {
    const looks: RecentReads = new Map()
    const mark = join(folder, 'mark')
    const argv = [mark]
    const failure = await failureOf(shared(looks, true).exec({ argv, ...look }))
    expect(failure).toMatchObject({ code: 'command-not-started' })
    writeFileSync(mark, '#!/bin/sh\necho there\n', { mode: 0o755 })
    expect((await shared(looks, false).exec({ argv, ...look })).stdout).toBe('there\n')
  })
})
