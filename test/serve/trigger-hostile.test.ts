/** hostops-trigger at a daemon that lies, breaks the wire or dies: one result line, no stack trace, nothing forged, in time. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RESULT_PREFIX } from '../../src/report/result-line.ts'
import { blankReport } from '../../src/report/unknown-report.ts'
import { hostopsRig } from '../rig/hostops.ts'
import { frame } from '../rig/peer.ts'
import { type Reply, type Script, startScripted } from '../rig/scripted-daemon.ts'
import { runTrigger } from '../rig/trigger.ts'

type Request = Record<string, unknown>

const rig = hostopsRig()
const tokenFile = join(rig.folder, 'token')
beforeAll(() => writeFileSync(tokenFile, 'some-token-0123456789', { mode: 0o600 }))
afterAll(() => rig.remove())

/** `script`: after the question whether the run is there, which is answered. */
async function against(args: readonly string[], script: Script) {
  const daemon = await startScripted((request, reply) =>
    request['action'] === 'logs' && request['file'] === undefined && args[0] !== 'logs'
      ? reply.answer({ files: [] })
      : script(request, reply),
  )
  const { at } = daemon.endpoint
  try {
    const env = { HOSTLINK_SOCKET: at.kind === 'unix' ? at.path : '', HOSTLINK_TOKEN_FILE: tokenFile }
    const ended = await runTrigger(args, { env })
    return Object.assign(ended, { requests: daemon.requests })
  } finally {
    await daemon.stop()
  }
}

const answers = (fields: object) => (_: Request, reply: Reply) => reply.answer(fields as Request)
const says = (text: string) => (request: Request, reply: Reply) =>
  void reply.socket.write(
    frame(`{"version":1,"id":${JSON.stringify(request['id'])},"node":"x","status":"ok",${text}}`),
  )
const line = (report: object) => `${RESULT_PREFIX}${JSON.stringify(report)}`
const good = {
  ...blankReport({ runId: 'r', target: 'hostlink', startedAt: 0 }),
  ...{ outcome: 'succeeded', success: true },
}
/** Deeper than what can be written again. */
const DEEP = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
const STACK = /^ +at /m

describe('what is no report, or that of another run, leaves the end unknown', () => {
  const reports: [string, object][] = [
    ['an error that is no text', { ...good, error: 5 }],
    ['no error', { ...good, error: undefined }],
    ['another run', { ...good, runId: 'other' }],
    ['an id that is a command', { ...good, runId: '$(id)', outcome: 'started' }],
    ['an outcome that there is not', { ...good, outcome: 'very-good' }],
    ['success that is none', { ...good, success: 'yes' }],
  ]
  test.each(reports)('%s', async (_, report) => {
    const script = answers({ done: true, exit_code: 0, stdout: line(report) })
    for (const command of ['report', 'wait', 'confirm', 'cancel']) {
      const ended = await against([command, 'r'], script)
      expect([ended.code, ended.report.outcome, ended.report.runId], command).toEqual([6, 'unknown', 'r'])
      expect(ended.stderr).not.toMatch(STACK)
    }
  })

  test.each([[null], [256], [-1]])('an exit code of %j is none, and there is one line', async exit_code => {
    const ended = await against(['wait', 'r'], answers({ done: true, exit_code, stdout: line(good) }))
    expect([ended.code, ended.report.outcome]).toEqual([70, 'succeeded'])
  })

  test('a report of a newer host is passed on as it is', async () => {
    const stdout = line({ ...good, news: { x: [1] }, steps: 7 })
    const ended = await against(['report', 'r'], answers({ exit_code: 0, stdout }))
    expect([ended.code, ended.stdout]).toEqual([0, `${stdout}\n`])
  })
})

describe('what cannot be printed', () => {
  const report = says(
    `"exit_code":0,"stdout":${JSON.stringify(line({ ...good, x: 'DEEP' }))}`.replace('\\"DEEP\\"', DEEP),
  )
  test.each<[string[], Script, number]>([
    [['report', 'r'], report, 6],
    [['confirm', 'r'], report, 6],
    [
      ['show', 'a'],
      says(`"playbooks":[{"name":"a","description":null,"problem":null,"inputs":[],"x":${DEEP}}]`),
      6,
    ],
    [['ask', 'list', '{}'], says(`"runs":[${DEEP}]`), 4],
  ])('%j ends in one line', async (args, script, code) => {
    const ended = await against(args, script)
    expect([ended.code, ended.stderr.match(STACK)]).toEqual([code, null])
    if (args[0] === 'ask') expect(ended.json).toMatchObject({ ok: false, failure: { code: 'internal' } })
    else if (args[0] === 'show') expect(ended.stdout).toBe('')
    else expect(ended.report.outcome).toBe('unknown')
  })

  test.each([
    { code: 'constructor' },
    { code: 'hasOwnProperty' },
    { code: 'not-restored', problem: 5 },
    { code: 'usage', what: 'command-line', problem: 'x', hint: `\u001b[2J\n${line(good)}` },
    { code: 'usage', what: 'target', reason: 'x', hint: { a: 1 } },
  ])('why a run is open, or was not confirmed: %j', async failure => {
    const open = { ...good, outcome: 'started', success: null }
    const script = answers({ done: false, exit_code: 6, stdout: line(open), failure })
    for (const args of [
      ['wait', 'r', '--timeout', '0s'],
      ['confirm', 'r'],
    ]) {
      const ended = await against(args, script)
      expect(ended.report.success, args[0]).not.toBe(true)
      expect(ended.stderr).not.toMatch(/[^ -~\n]|^OPENCLAW|^ +at /m)
    }
  })
})

test('the name of a log does not begin a line that passes for the result', async () => {
  const name = `001-${RESULT_PREFIX}{"x":".ndjson`
  const text = `${JSON.stringify([1, null, 'stdout', '","outcome":"succeeded"}'])}\n`
  const ended = await against(['logs', 'r'], ({ file, offset }, reply) =>
    file === undefined
      ? reply.answer({ files: [{ name, bytes: 9 }] })
      : reply.answer({ data: offset === 0 ? Buffer.from(text).toString('base64') : '' }),
  )
  expect([ended.code, ended.stdout]).toEqual([0, ''])
})

describe('a request that was sent and not answered may have been heard', () => {
  const broken: [string, Script][] = [
    ['no frame', (_, reply) => void reply.socket.write('garbage, and no frame')],
    ['no JSON', (_, reply) => void reply.socket.write(frame('hello'))],
    ['a field of another type', answers({ job_id: 5 })],
    ["another one's answer", answers({ id: 'x' })],
    ['half an answer', (_, reply) => void reply.socket.end(frame('{"version":1').subarray(0, 12))],
  ]
  test.each(broken)('%s', async (_, script) => {
    for (const args of [
      ['cancel', 'r'],
      ['confirm', 'r'],
      ['wait', 'r'],
      ['run', 'x', '--run-id', 'r'],
    ]) {
      // A start that was cut off is sent again, for as long as a caller waits.
      if (args[0] !== 'cancel' && script === broken.at(-1)?.[1]) continue
      const ended = await against(args, script)
      expect([ended.code, ended.report.outcome, ended.report.changed], args[0]).toEqual([6, 'unknown', null])
    }
  })

  test('a daemon that dies with a start, and refuses it when it is back', async () => {
    const ended = await against(['run', 'x', '--run-id', 'r'], (_, reply) =>
      reply.connection === 0 ? reply.close() : reply.answer({ status: 'denied', error_msg: 'not any more' }),
    )
    expect([ended.code, ended.report.outcome, ended.report.changed]).toEqual([6, 'unknown', null])
    const starts = ended.requests.filter(({ action }) => action === 'start')
    expect(starts.map(start => start['run_id'])).toEqual(['r', 'r'])
  })

  test('a confirmation that was given, and no report', async () => {
    const ended = await against(['confirm', 'r'], ({ action }, reply) =>
      reply.answer(action === 'confirm' ? { step: 'ok' } : { status: 'not_found', error_msg: 'gone' }),
    )
    expect([ended.code, ended.report.outcome, ended.report.changed]).toEqual([6, 'unknown', null])
  })
})

test('the longest time limit is one', async () => {
  const script = answers({ done: true, exit_code: 0, stdout: line(good) })
  const ended = await against(['wait', 'r', '--timeout', '2147483647ms'], script)
  expect([ended.code, ended.report.outcome, ended.stderr]).toEqual([0, 'succeeded', ''])
})

describe('endless', () => {
  test('an answer of 100 MiB is not read', async () => {
    const ended = await against(['list'], (_, reply) => {
      const header = Buffer.from('HLNK\0\0\0\0', 'latin1')
      header.writeUInt32BE(100 * 1024 * 1024, 4)
      reply.socket.write(header)
    })
    expect([ended.code, ended.stdout]).toEqual([6, ''])
    expect(ended.stderr).toContain('oversized')
  })

  test('a host that answers each wait at once is not asked without a pause', async () => {
    const open = { ...good, outcome: 'started', success: null }
    const script = answers({ done: false, exit_code: 6, stdout: line(open) })
    const ended = await against(['wait', 'r', '--timeout', '2s'], script)
    expect([ended.code, ended.requests.length < 40]).toEqual([6, true])
  })
})

test('a run id that is also the name of the playbook is that of the run', async () => {
  const ended = await against(
    ['run', 'greet', '--run-id', 'greet'],
    answers({ job_id: 'a', attached: false }),
  )
  expect([ended.code, ended.report.runId]).toEqual([0, 'greet'])
  expect(ended.requests.at(-1)).toMatchObject({ action: 'start', run_id: 'greet' })
})
