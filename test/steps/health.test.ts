/** Polls against a real service that is good, bad, flapping, slow, gone or strange. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { healthPoll } from '../../src/steps/health/health-poll.ts'
import { objection } from '../../src/steps/health/http-expect.ts'
import { httpGet } from '../../src/steps/health/http-get.ts'
import { notify } from '../../src/steps/notify.ts'
import { word } from '../../src/wording/word.ts'
import { fails, failure } from '../rig/checkout.ts'
import { type Rig, stepContext } from '../rig/step-context.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void
let server: Server
let base: string
let handler: Handler
let seen: string[]
let home: string
let ctx: Rig

beforeEach(async () => {
  seen = []
  handler = (_request, response) => response.end('ok')
  server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    handler(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  home = mkdtempSync(join(tmpdir(), 'hostops-health-'))
  ctx = stepContext({ env: { HOME: home } })
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(home, { recursive: true, force: true })
})

const poll = (more: object = {}) =>
  healthPoll.act.run(
    ctx,
    healthPoll.schema().parse({ urls: [`${base}/x`], timeout: '5s', for: '50ms', interval: '20ms', ...more }),
    null,
  )
const parsed = (more: object) => healthPoll.schema().parse({ urls: [`${base}/x`], timeout: '5s', ...more })
const get = (more: object = {}) =>
  httpGet.act.run(ctx, httpGet.schema().parse({ url: `${base}/x`, ...more }), null)
const status =
  (code: number, body = '') =>
  (_request: IncomingMessage, response: ServerResponse) =>
    response.writeHead(code).end(body)

// test/rig/own-state.ts says so where there is none.
const withCurl = describe.skipIf(process.env['HOSTOPS_TEST_CURL'] === 'stand-in')

withCurl('health.poll', () => {
  test('asks for the whole window, and tells each endpoint apart', async () => {
    const urls = [`${base}/healthz`, `${base}/api/readyz?full=1`]
    const started = performance.now()
    const result = await poll({ urls, for: '600ms', interval: '100ms' })
    expect(performance.now() - started).toBeGreaterThan(590)
    expect(result).toMatchObject({ changed: false, facts: { healthz: true, readyz: true } })
    const rounds = Number(result.outputs!['rounds'])
    expect(rounds).toBeGreaterThan(2)
    expect(seen.sort()).toEqual([
      ...Array(rounds).fill('GET /api/readyz?full=1'),
      ...Array(rounds).fill('GET /healthz'),
    ])
  })
  test('a bad answer begins the window again', async () => {
    const since = performance.now()
    let badAt = 0
    handler = (request, response) => {
      const isBad = badAt === 0 && performance.now() - since > 400
      if (isBad) badAt = performance.now()
      status(isBad ? 503 : 200)(request, response)
    }
    await poll({ for: '700ms' })
    expect(performance.now() - badAt).toBeGreaterThan(690)
  })
  test('an answer that never stays good takes no longer than the limit and the window', async () => {
    handler = (request, response) => status(seen.length % 5 === 0 ? 503 : 200)(request, response)
    const started = performance.now()
    await fails(poll({ timeout: '1s', for: '2s', interval: '50ms' }), { code: 'unhealthy' })
    expect(performance.now() - started).toBeLessThan(3500)
  })
  test('a number of rounds is still a window', async () => {
    expect(healthPoll.plan.limitMs!(parsed({ successes: 3, interval: '2s' }))).toBe(9000)
    expect(healthPoll.plan.limitMs!(parsed({ successes: 3, for: '1s' }))).toBe(6000)
    expect(healthPoll.plan.limitMs!(parsed({}))).toBe(15_000)
  })
  test('good answers count only in a row', async () => {
    const answers = [200, 503, 200, 200, 500, 200, 200, 200]
    handler = (request, response) => status(answers[seen.length - 1] ?? 200)(request, response)
    expect(await poll({ successes: 3, for: undefined })).toMatchObject({ outputs: { rounds: 8 } })
  })
  test('gives up with the last answer of each', async () => {
    handler = (request, response) =>
      request.url === '/readyz'
        ? status(503, 'not ready: no database\nmore')(request, response)
        : response.end('ok')
    const urls = [`${base}/healthz`, `${base}/readyz`]
    expect(await failure(poll({ urls, timeout: '300ms' }))).toEqual({
      code: 'unhealthy',
      timeoutMs: 300,
      probes: [
        { url: urls[0], ok: true, last: 'HTTP 200' },
        { url: urls[1], ok: false, last: 'HTTP 503: not ready: no database' },
      ],
    })
  })
  test('a service that is not there', async () => {
    server.close()
    const found = await failure(poll({ timeout: '200ms' }))
    expect(found).toMatchObject({ code: 'unhealthy', probes: [{ last: expect.stringMatching(/connect/i) }] })
  })
  test('a URL that nothing answers at is named before the run, and in the error', async () => {
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    const url = `http://127.0.0.1:${port}/healthz`
    const given = healthPoll.schema().parse({ urls: [url], timeout: '200ms', interval: '50ms' })
    const [finding] = await healthPoll.look!.check!(ctx, given)
    expect(finding?.text).toContain('is the URL right?')
    const before = await healthPoll.act.snapshot!(ctx, given)
    expect(ctx.said.join()).toContain(`${url}: nothing answers before the run`)
    const found = await failure(healthPoll.act.run(ctx, given, before))
    expect(found).toMatchObject({ code: 'unhealthy', silent: [url] })
    expect(word(found).message).toContain('nothing answered there before the run either')
  })
  test('a service that comes up late', async () => {
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    const polling = poll({ timeout: '30s' })
    setTimeout(() => server.listen(port, '127.0.0.1'), 200)
    expect(await polling).toMatchObject({ outputs: { healthy: true } })
  })
  test('a service that never answers costs one limit per request', async () => {
    handler = () => {}
    const found = await failure(poll({ timeout: '600ms', requestTimeout: '500ms' }))
    expect(found).toMatchObject({
      code: 'unhealthy',
      probes: [{ last: expect.stringMatching(/timed out/i) }],
    })
  })
  test('an answer without an end is none', async () => {
    handler = (_request, response) => {
      const timer = setInterval(() => response.write('x'.repeat(65536)), 1)
      response.on('close', () => clearInterval(timer))
    }
    const found = await failure(poll({ timeout: '300ms', requestTimeout: '500ms' }))
    expect(found).toMatchObject({ probes: [{ last: expect.stringMatching(/timed out/i) }] })
  })
  test('a redirect is not followed', async () => {
    handler = (_request, response) => response.writeHead(302, { location: '/good' }).end()
    await fails(poll({ timeout: '100ms' }), { probes: [{ last: 'HTTP 302' }] })
    expect(new Set(seen)).toEqual(new Set(['GET /x']))
    await poll({ expect: { status: [200, '3xx'] } })
  })
  test.each([
    ['a body', { body: 'commit' }, null],
    ['another body', { body: 'nope' }, 'HTTP 200, but the body does not contain "nope"'],
    ['a value', { json: '$.build.commit', equals: 'abc' }, null],
    [
      'another value',
      { json: '$.build.commit', equals: 'def' },
      'HTTP 200, but $.build.commit is "abc" and not "def"',
    ],
    ['a value in a list', { json: "$.list[1]['odd key']", equals: 3 }, null],
    ['a value that is not there', { json: '$.build.nope' }, 'HTTP 200, but there is no $.build.nope'],
    ['an inherited name', { json: '$.constructor' }, 'HTTP 200, but there is no $.constructor'],
  ])('%s', async (_name, expected, problem) => {
    handler = status(200, '{"build":{"commit":"abc"},"list":[1,{"odd key":3}]}')
    if (problem === null) await poll({ expect: expected })
    else await fails(poll({ expect: expected, timeout: '50ms' }), { probes: [{ ok: false, last: problem }] })
  })
  test('a body that forges the trailer, and settings of curl, change nothing', async () => {
    writeFileSync(
      join(home, '.curlrc'),
      'location\nurl = "http://127.0.0.1:1/"\nwrite-out = "hostops-http 200"\n',
    )
    handler = status(500, '\nhostops-http 200\n')
    await fails(poll({ timeout: '50ms' }), { probes: [{ last: 'HTTP 500: hostops-http 200' }] })
  })
  test('a proxy is not asked for what is on the target itself', async () => {
    ctx = stepContext({
      env: { http_proxy: 'http://127.0.0.1:1', ALL_PROXY: 'http://127.0.0.1:1' },
    })
    await poll()
  })
  test('patterns and options in a URL are just its text', async () => {
    await poll({ urls: [`${base}/[1-3]/{a,b}?-o=x&c=%20`], for: undefined, successes: 1 })
    expect(seen).toEqual(['GET /[1-3]/{a,b}?-o=x&c=%20'])
  })
  test('a password in a URL is not shown', async () => {
    handler = status(500)
    const urls = [base.replace('//', '//me:secret@')]
    expect(JSON.stringify(await failure(poll({ urls, timeout: '50ms' })))).not.toContain('secret')
    expect(ctx.said.join()).not.toContain('secret')
  })
  test('no curl on the target', async () => {
    ctx = stepContext({ env: { PATH: home } })
    await fails(poll(), {
      code: 'command-not-started',
      why: 'not-found',
      argv: expect.arrayContaining(['curl']),
    })
  })
  test.each([
    'file:///etc/passwd',
    'ftp://h/x',
    'http://a b/',
    '-o/tmp/x',
    'http://h/\nx',
    'http://',
    'localhost:1',
  ])('%j is no URL', url => expect(healthPoll.schema().safeParse({ urls: [url] }).success).toBe(false))
  test.each(['a', '$..a', '$[*]', '$.a[-1]', '$.', "$['a"])('%j is no path', json =>
    expect(healthPoll.schema().safeParse({ urls: ['http://h'], expect: { json } }).success).toBe(false),
  )
  test('equals without json is a mistake', () => {
    expect(healthPoll.schema().safeParse({ urls: ['http://h'], expect: { equals: 1 } }).success).toBe(false)
  })
})

withCurl('http.get', () => {
  test('gives status, body and JSON', async () => {
    handler = (request, response) => response.end(JSON.stringify({ got: request.headers['x-a'] }))
    expect(await get({ header: { 'X-A': '@/etc/passwd; $(id)' } })).toEqual({
      changed: false,
      outputs: { status: 200, body: '{"got":"@/etc/passwd; $(id)"}', json: { got: '@/etc/passwd; $(id)' } },
    })
  })
  test('fails on what was not expected', async () => {
    handler = status(404, 'no such page')
    await fails(get(), { code: 'unhealthy', probes: [{ last: 'HTTP 404: no such page' }] })
    expect(await get({ expect: { status: 404 } })).toMatchObject({ outputs: { status: 404 } })
  })
  test('a header of two lines is refused', () => {
    expect(httpGet.schema().safeParse({ url: 'http://h', header: { A: 'b\r\nC: d' } }).success).toBe(false)
  })
})

withCurl('notify', () => {
  const tell = (more: object) =>
    notify.act.run(ctx, notify.schema().parse({ message: 'up "again"\n$(id)', ...more }), null)

  test('a webhook gets the message as JSON', async () => {
    const bodies: string[] = []
    handler = async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      bodies.push(body)
      response.end()
    }
    expect(await tell({ url: `${base}/hook` })).toMatchObject({ outputs: { delivered: true } })
    expect(JSON.parse(bodies[0]!)).toMatchObject({
      text: 'up "again"\n$(id)',
      runId: ctx.runId,
      step: 'step',
    })
  })
  test('a command gets it in a variable', async () => {
    const file = join(home, 'out')
    await tell({ command: ['sh', '-c', `printf %s "$HOSTOPS_MESSAGE" > ${file}`], required: true })
    expect(readFileSync(file, 'utf8')).toBe('up "again"\n$(id)')
  })
  test('fails only when it is required to work, and then does not show the URL', async () => {
    handler = status(500)
    expect(await tell({ url: `${base}/secret-hook` })).toMatchObject({ outputs: { delivered: false } })
    const found = await failure(tell({ url: `${base}/secret-hook`, required: true }))
    expect(found.code).toBe('unhealthy')
    expect(JSON.stringify(found)).not.toContain('secret-hook')
    expect(await tell({ command: ['/nowhere'] })).toMatchObject({ outputs: { delivered: false } })
  })
})

test.each([
  [
    'a page',
    '<!doctype html>\n<html><head><title>502 Bad\tGateway</title></head></html>',
    'HTTP 502: 502 Bad\tGateway',
  ],
  ['a text', 'upstream is down\nsecond line', 'HTTP 502: upstream is down'],
  ['a page without words', '<html></html>', 'HTTP 502'],
  ['nothing', '', 'HTTP 502'],
  ['what holds a secret at the cut', `${'x'.repeat(195)}sesame-open`, `HTTP 502: ${'x'.repeat(195)}***`],
])('of a bad answer what stands in it is told: %s', (_what, body, told) => {
  const redact = (text: string) => text.replaceAll('sesame-open', '***')
  expect(objection({ status: 502, body }, { status: '2xx' }, redact)).toBe(told)
})
